// What can go wrong with a request, as the page tells it.
import type { ProblemData, ProblemKind } from './types';

export class Problem extends Error implements ProblemData {
  constructor(
    readonly kind: ProblemKind,
    message: string,
    readonly retryAfter?: number,
  ) {
    super(message);
  }

  data(): ProblemData {
    return { kind: this.kind, message: this.message, ...(this.retryAfter ? { retryAfter: this.retryAfter } : {}) };
  }
}

interface ErrorBody {
  error?: { message?: unknown; code?: unknown; type?: unknown } | string;
}

function kindOf(status: number, code: unknown): ProblemKind {
  if (status === 401) return 'key';
  if (code === 'context_length_exceeded') return 'too_long';
  if (status === 503) return code === 'loading' ? 'loading' : 'busy';
  if (status === 429) return 'busy';
  return status >= 500 ? 'engine' : 'refused';
}

// Of a response that is not 2xx. The body may be anything: a proxy's page as well.
export async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text().catch(() => '');
  let body: ErrorBody = {};
  try {
    body = JSON.parse(text) as ErrorBody;
  } catch {
    // Not the server's own error.
  }
  const error = typeof body.error === 'string' ? { message: body.error, code: undefined } : body.error;
  const message = typeof error?.message === 'string' ? error.message : `HTTP ${response.status} ${response.statusText}`.trim();
  const after = Number(response.headers.get('retry-after'));
  return new Problem(kindOf(response.status, error?.code), message, Number.isFinite(after) && after > 0 ? after : undefined);
}

// Of an error event in the middle of a stream.
export function problemOfEvent(error: unknown): Problem {
  const e = (typeof error === 'object' && error !== null ? error : {}) as { message?: unknown; code?: unknown };
  const message = typeof e.message === 'string' ? e.message : String(error);
  if (e.code === 'context_length_exceeded') return new Problem('too_long', message);
  return new Problem(e.code === 'overloaded' ? 'busy' : 'engine', message);
}
