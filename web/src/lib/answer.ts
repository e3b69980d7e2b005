// From the chunks of a streamed answer to the message that is shown and stored.
import type { EndWord, Node, Stats, Token, ToolCall } from './types';

interface WireLogprob {
  token?: string;
  logprob?: number;
  guessed?: boolean;
  bytes?: number[] | null;
  top_logprobs?: { token?: string; logprob?: number }[];
}

interface WireCall {
  index?: number;
  id?: string;
  function?: { name?: string; arguments?: string };
}

interface WireGlimt {
  end?: string;
  stop_string?: string | null;
  prompt_tokens?: number;
  reused_tokens?: number;
  generated_tokens?: number;
  thinking_tokens?: number;
  drafted?: number;
  accepted?: number;
  context?: number;
  decode_seconds?: number;
  cut?: { before?: string; after?: string };
  prefill?: { done?: number; total?: number };
  loading?: number;
  queued?: number;
}

interface WireUsage {
  prompt_tokens?: number;
  completion_tokens?: number;
  prompt_tokens_details?: { cached_tokens?: number } | null;
  completion_tokens_details?: { reasoning_tokens?: number } | null;
}

interface WireChunk {
  model?: string;
  choices?: {
    delta?: { content?: string | null; reasoning_content?: string | null; tool_calls?: WireCall[] };
    logprobs?: { content?: WireLogprob[] | null } | null;
    finish_reason?: string | null;
  }[];
  usage?: WireUsage | null;
  glimt?: WireGlimt;
}

// What happens before the first token, as far as the server tells.
export type Waiting =
  | { phase: 'sent' }
  | { phase: 'queued'; place: number }
  | { phase: 'loading'; share: number }
  | { phase: 'prompt'; done: number; total: number }
  | { phase: 'writing' };

const ENDS: Record<string, EndWord> = {
  end_token: 'stop', stop_string: 'stop_string', one_call: 'tool_calls', length: 'length', context: 'context', repetition: 'repetition',
  stop: 'stop', tool_calls: 'tool_calls',
};

export class AnswerBuilder {
  waiting: Waiting = { phase: 'sent' };
  #node: Node;
  #usage: WireUsage = {};
  #glimt: WireGlimt = {};
  #finish: EndWord | undefined;
  #firstAt = 0;
  #thinkingFrom = 0;
  #earlierThinkingMs: number;
  #hasAllTokens: boolean; // details of an answer's end alone would look as if they were all
  #pieces = 0; // chunks with text: about the tokens, until the server has counted

  // `node` is where the answer goes; what it holds already is its beginning.
  constructor(
    node: Node,
    private readonly startedAt: number,
    private readonly clock: () => number,
  ) {
    this.#node = { ...node, partial: true, problem: undefined, stats: undefined };
    if (node.tokens) this.#node.tokens = [...node.tokens];
    this.#hasAllTokens = node.content === '' || node.tokens !== undefined;
    this.#earlierThinkingMs = node.thinkingMs ?? 0;
  }

  // Something to show has come.
  get began(): boolean {
    return this.#firstAt > 0;
  }

  chunk(raw: unknown): void {
    const chunk = (raw ?? {}) as WireChunk;
    if (chunk.usage) this.#usage = chunk.usage;
    if (chunk.glimt) this.#heard(chunk.glimt);
    if (chunk.model) this.#node.model = chunk.model;
    const choice = chunk.choices?.[0];
    if (!choice) return;
    this.#delta(choice.delta ?? {});
    this.#tokens(choice.logprobs?.content ?? []);
    if (choice.finish_reason) this.#finish = ENDS[choice.finish_reason] ?? 'stop';
  }

  // The message as it is now, with the page's own count of tokens until the server tells.
  snapshot(): Node {
    return { ...this.#node, stats: this.#stats() };
  }

  // The message at its end. `stopped` by the user: the server has not told its numbers then.
  finish(stopped = false): Node {
    this.#closeThinking();
    const stats = this.#stats();
    stats.end = stopped ? 'stopped' : stats.end;
    return { ...this.#node, partial: undefined, stats, ...this.#thinkingTime() };
  }

  // By the engine's clock, where the pieces came so close together that ours has seen less.
  #thinkingTime(): { thinkingMs?: number } {
    const { decode_seconds: seconds = 0, generated_tokens: all = 0, thinking_tokens: thought = 0 } = this.#glimt;
    if (this.#node.thinkingMs === undefined || all === 0) return {};
    return { thinkingMs: Math.max(this.#node.thinkingMs, (seconds * 1000 * thought) / all) };
  }

  #heard(glimt: WireGlimt): void {
    this.#glimt = { ...this.#glimt, ...glimt };
    if (this.began) return;
    if (glimt.prefill) this.waiting = { phase: 'prompt', done: glimt.prefill.done ?? 0, total: glimt.prefill.total ?? 0 };
    else if (glimt.loading !== undefined) this.waiting = { phase: 'loading', share: glimt.loading };
    else if (glimt.queued !== undefined) this.waiting = { phase: 'queued', place: glimt.queued };
  }

  #delta(delta: { content?: string | null; reasoning_content?: string | null; tool_calls?: WireCall[] }): void {
    if (!delta.content && !delta.reasoning_content && !delta.tool_calls) return;
    this.#pieces++;
    const now = this.clock();
    if (!this.began) this.#firstAt = now;
    this.waiting = { phase: 'writing' };
    if (delta.reasoning_content) {
      this.#thinkingFrom ||= now;
      this.#node.thinking = (this.#node.thinking ?? '') + delta.reasoning_content;
      this.#node.thinkingMs = this.#earlierThinkingMs + now - this.#thinkingFrom;
    }
    if (delta.content || delta.tool_calls) this.#closeThinking();
    if (delta.content) this.#node.content += delta.content;
    for (const call of delta.tool_calls ?? []) this.#call(call);
  }

  #closeThinking(): void {
    if (this.#thinkingFrom === 0) return;
    this.#earlierThinkingMs += this.clock() - this.#thinkingFrom;
    this.#node.thinkingMs = this.#earlierThinkingMs;
    this.#thinkingFrom = 0;
  }

  #call(wire: WireCall): void {
    const calls: ToolCall[] = [...(this.#node.calls ?? [])];
    const index = wire.index ?? calls.length;
    const known = calls[index] ?? { id: '', name: '', args: '' };
    calls[index] = {
      id: wire.id ?? known.id,
      name: known.name || (wire.function?.name ?? ''),
      args: known.args + (wire.function?.arguments ?? ''),
    };
    this.#node.calls = calls;
  }

  // Mutates one list: copying thousands of tokens for each new one would be most of the work.
  #tokens(items: WireLogprob[]): void {
    if (items.length === 0 || !this.#hasAllTokens) return;
    this.#node.tokens ??= [];
    for (const item of items) {
      const others = (item.top_logprobs ?? []).map((o): [string, number] => [o.token ?? '', rounded(o.logprob)]);
      const token: Token = [item.token ?? '', rounded(item.logprob), item.guessed ? 1 : 0, others];
      this.#node.tokens.push(token);
    }
  }

  #stats(): Stats {
    const now = this.clock();
    const g = this.#glimt;
    const u = this.#usage;
    const answerTokens = g.generated_tokens ?? u.completion_tokens ?? this.#pieces;
    const decoded = g.decode_seconds && answerTokens > 1 ? (answerTokens - 1) / g.decode_seconds : undefined;
    const since = (now - this.#firstAt) / 1000;
    return dropEmpty({
      promptTokens: g.prompt_tokens ?? u.prompt_tokens ?? 0,
      reusedTokens: g.reused_tokens ?? u.prompt_tokens_details?.cached_tokens ?? 0,
      answerTokens,
      thinkingTokens: g.thinking_tokens ?? u.completion_tokens_details?.reasoning_tokens ?? 0,
      drafted: g.drafted,
      accepted: g.accepted,
      firstMs: this.began ? this.#firstAt - this.startedAt : 0,
      totalMs: now - this.startedAt,
      perSecond: decoded ?? (this.began && since > 0.2 && answerTokens > 1 ? (answerTokens - 1) / since : undefined),
      context: g.context,
      end: (g.end ? ENDS[g.end] : undefined) ?? this.#finish,
      stopString: g.stop_string ?? undefined,
      cut: g.cut ? { before: g.cut.before ?? '', after: g.cut.after ?? '' } : undefined,
    });
  }
}

function rounded(logprob: number | undefined): number {
  const p = Math.exp(logprob ?? -Infinity);
  return Number(p.toPrecision(3));
}

function dropEmpty<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;
}
