// The server's public API, as far as the page uses it. Every failure is a Problem.
import { Problem, problemOf, problemOfEvent } from './problems';
import { SseParser } from './sse';
import type { ServerSettings, Slot, SlotRow, StatusReport } from './server_types';

export interface ModelRow {
  id: string;
  context_length?: number;
  state?: 'loaded' | 'loading' | 'unloading' | 'unloaded';
  size?: number;
  quantization?: string;
}

export type Health = 'ok' | 'loading' | 'unwell' | 'gone';

// The server sends a comment every twelve seconds where it has nothing else to say.
const SILENCE_MS = 60_000;

export class Api {
  key = ''; // of the server; empty: none is sent

  constructor(
    private readonly fetcher: typeof fetch = (...a) => fetch(...a),
    private readonly silenceMs = SILENCE_MS,
  ) {}

  async settings(model?: string): Promise<ServerSettings | null> {
    const response = await this.#send(`/v1/settings${model ? `?model=${encodeURIComponent(model)}` : ''}`, {});
    if (response.status === 404) return null; // an older server
    return this.#json(response);
  }

  async models(): Promise<ModelRow[]> {
    const list = await this.#json<{ data?: ModelRow[] }>(await this.#send('/v1/models', {}));
    return list.data ?? [];
  }

  async status(): Promise<StatusReport> {
    return this.#json(await this.#send('/v1/status', {}));
  }

  // The requests of all models.
  async slots(): Promise<SlotRow[]> {
    const models = await this.#json<Slot[]>(await this.#send('/slots', {}));
    return models.flatMap((m) => (m.requests ?? []).map((request) => ({ ...request, model: m.model })));
  }

  // Loads or unloads; returns when it is done.
  async setLoaded(model: string, loaded: boolean): Promise<void> {
    const body = { model, stream: false, ...(loaded ? {} : { keep_alive: 0 }) };
    await this.#json(await this.#send('/api/generate', { method: 'POST', body: JSON.stringify(body) }));
  }

  async health(): Promise<Health> {
    try {
      const response = await this.#send('/health', {});
      if (response.ok) return 'ok';
      const body = (await response.json().catch(() => ({}))) as { status?: string };
      return body.status === 'loading' ? 'loading' : 'unwell';
    } catch {
      return 'gone';
    }
  }

  // The chunks of a streamed answer, in order. Returns at the stream's own end; anything else is a Problem: a stream that
  // only stops is "gone". An abort of `signal` throws its AbortError.
  async *chat(body: object, signal: AbortSignal): AsyncGenerator<unknown> {
    const response = await this.#send('/v1/chat/completions', { method: 'POST', body: JSON.stringify(body), signal });
    if (!response.ok || !response.body) throw await problemOf(response);
    const reader = response.body.getReader();
    try {
      yield* this.#chunks(reader, signal);
    } finally {
      void reader.cancel().catch(() => {});
    }
  }

  async *#chunks(reader: ReadableStreamDefaultReader<Uint8Array>, signal: AbortSignal): AsyncGenerator<unknown> {
    const decoder = new TextDecoder();
    const parser = new SseParser();
    for (;;) {
      const { value, done } = await this.#read(reader, signal);
      if (done) throw new Problem('gone', 'the stream ended before the answer did');
      for (const event of parser.push(decoder.decode(value, { stream: true }))) {
        if (event.data === '[DONE]') return;
        yield chunkOf(event.data);
      }
    }
  }

  async #read(reader: ReadableStreamDefaultReader<Uint8Array>, signal: AbortSignal) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<never>((_, fail) => {
      timer = setTimeout(() => fail(new Problem('gone', 'the server has not sent anything for a minute')), this.silenceMs);
    });
    try {
      return await Promise.race([reader.read(), silence]);
    } catch (error) {
      if (signal.aborted || error instanceof Problem) throw error;
      throw new Problem('gone', 'the connection broke');
    } finally {
      clearTimeout(timer);
    }
  }

  async #send(url: string, init: RequestInit): Promise<Response> {
    const headers: Record<string, string> = {};
    if (init.body) headers['content-type'] = 'application/json';
    if (this.key) headers['authorization'] = `Bearer ${this.key}`;
    try {
      return await this.fetcher(url, { ...init, headers, cache: 'no-store' });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new Problem('gone', 'the server does not answer');
    }
  }

  async #json<T>(response: Response): Promise<T> {
    if (!response.ok) throw await problemOf(response);
    try {
      return (await response.json()) as T;
    } catch {
      throw new Problem('engine', 'the answer is not JSON');
    }
  }
}

function chunkOf(data: string): unknown {
  let chunk: unknown;
  try {
    chunk = JSON.parse(data);
  } catch {
    throw new Problem('engine', 'a piece of the stream is not JSON');
  }
  const error = (chunk as { error?: unknown } | null)?.error;
  if (error) throw problemOfEvent(error);
  return chunk;
}
