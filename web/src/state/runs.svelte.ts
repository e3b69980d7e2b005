// The answers that are being written now. Each goes on whichever conversation is open.
import { SvelteMap } from 'svelte/reactivity';
import { AnswerBuilder, type Waiting } from '../lib/answer';
import { newId } from '../lib/ids';
import { Problem } from '../lib/problems';
import { requestBody } from '../lib/request';
import { pathTo } from '../lib/tree';
import type { Node, Token } from '../lib/types';
import { library } from './library.svelte';
import { prefs } from './prefs.svelte';
import { server } from './server.svelte';

const SHOW_MS = 50; // what came is shown so often, however many tokens that is
const SAVE_MS = 500;
const MAX_TRIES = 20; // of a busy server
const WAIT_S = 3;

export class Run {
  node = $state.raw<Node>() as Node;
  waiting = $state.raw<Waiting>({ phase: 'sent' });
  retry = $state.raw<{ problem: Problem; at: number } | null>(null); // the server was busy: the next try comes then
  readonly startedAt = performance.now();
  readonly controller = new AbortController();
  #shownAt = -SHOW_MS;
  #savedAt = -SAVE_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly conversation: string,
    node: Node,
    private readonly continues: boolean,
  ) {
    this.node = node;
  }

  async go(): Promise<Node> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#answer();
      } catch (error) {
        const problem = error instanceof Problem ? error : new Problem('engine', String(error));
        const waits = problem.kind === 'busy' || problem.kind === 'loading';
        if (!waits || tries === MAX_TRIES) return this.#failed(problem);
        if (!(await this.#pause(problem))) return { ...this.node, partial: undefined };
      }
    }
  }

  stop(): void {
    this.controller.abort();
  }

  async #answer(): Promise<Node> {
    this.waiting = { phase: 'sent' };
    const builder = new AnswerBuilder(this.node, performance.now(), () => performance.now());
    const { signal } = this.controller;
    try {
      for await (const chunk of server.api.chat(this.#body(), signal)) {
        builder.chunk(chunk);
        this.#show(builder);
      }
      return builder.finish();
    } catch (error) {
      if (signal.aborted) return builder.finish(true);
      if (builder.began) this.node = { ...builder.snapshot() };
      throw error;
    } finally {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
  }

  #body(): object {
    const conversation = library.get(this.conversation);
    if (!conversation) throw new Problem('refused', 'the conversation is gone');
    const upTo = this.continues ? this.node.id : this.node.parent;
    const shown = upTo === null ? [] : pathTo(conversation, upTo);
    const { settings } = conversation.meta;
    return requestBody(shown, {
      settings, server: server.settings, model: server.modelName(settings.model), details: prefs.details, continues: this.continues,
    });
  }

  // At once where nothing was shown for a while, else when it is time.
  #show(builder: AnswerBuilder): void {
    if (this.#timer !== undefined) return;
    const wait = this.#shownAt + SHOW_MS - performance.now();
    if (wait <= 0) return this.#showNow(builder);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#showNow(builder);
    }, wait);
  }

  #showNow(builder: AnswerBuilder): void {
    const now = performance.now();
    this.#shownAt = now;
    this.waiting = builder.waiting;
    this.node = builder.snapshot();
    if (now - this.#savedAt < SAVE_MS) return;
    this.#savedAt = now;
    void library.put(this.conversation, this.node, true);
  }

  // What has come stays, with the reason why no more did.
  #failed(problem: Problem): Node {
    server.noteProblem(problem);
    return { ...this.node, partial: undefined, problem: problem.data() };
  }

  // False: the user has stopped it.
  async #pause(problem: Problem): Promise<boolean> {
    const seconds = problem.retryAfter ?? WAIT_S;
    this.retry = { problem, at: Date.now() + seconds * 1000 };
    await new Promise<void>((done) => {
      const timer = setTimeout(done, seconds * 1000);
      this.controller.signal.addEventListener('abort', () => (clearTimeout(timer), done()), { once: true });
    });
    this.retry = null;
    return !this.controller.signal.aborted;
  }
}

export class Runs {
  readonly byNode = new SvelteMap<string, Run>();
  #leaving = false; // the page goes away, and breaks its own connections

  // What has come is kept; that the connections break now is no problem of the answers.
  leave(): void {
    this.#leaving = true;
    for (const run of this.byNode.values()) void library.put(run.conversation, run.node, true);
    library.rescue();
  }

  stay(): void {
    this.#leaving = false;
  }

  of(conversation: string | undefined): Run | undefined {
    return [...this.byNode.values()].find((run) => run.conversation === conversation);
  }

  // Begins an answer to `parent`. Returns when it has ended.
  async answer(conversation: string, parent: string, start: Partial<Node> = {}): Promise<void> {
    const node: Node = { id: newId(), parent, role: 'assistant', created: Date.now(), content: '', ...start, partial: true };
    const hasStart = node.content !== '' || (node.thinking ?? '') !== '';
    await this.#drive(conversation, node, hasStart);
  }

  // Goes on with an answer that was cut; one of which nothing came is asked for again, in place.
  async resume(conversation: string, node: Node): Promise<void> {
    const hasStart = (node.content !== '' || (node.thinking ?? '') !== '') && server.has('continue_final_message');
    const fresh: Node = { id: node.id, parent: node.parent, role: 'assistant', created: node.created, content: '' };
    await this.#drive(conversation, hasStart ? { ...node, problem: undefined, partial: true } : { ...fresh, partial: true }, hasStart);
  }

  async #drive(conversation: string, node: Node, continues: boolean): Promise<void> {
    library.hold(conversation);
    void library.put(conversation, node, true);
    const run = new Run(conversation, node, continues);
    this.byNode.set(node.id, run);
    const ended = await run.go();
    if (this.#leaving) return;
    const stored = library.put(conversation, ended);
    this.byNode.delete(node.id);
    await stored;
    await library.touch(conversation);
    if (!this.of(conversation)) library.release(conversation);
  }
}

export const runs = new Runs();

addEventListener('pagehide', () => runs.leave());
addEventListener('pageshow', () => runs.stay());

// The beginning of an answer up to a token, with another one in its place.
export function branchAt(node: Node, tokens: Token[], index: number, alternative: [string, number]): Partial<Node> {
  const kept = tokens.slice(0, index);
  const [text, p] = alternative;
  const others = [[tokens[index]![0], tokens[index]![1]] as [string, number], ...tokens[index]![3].filter(([t]) => t !== text)];
  const content = kept.map((t) => t[0]).join('') + text;
  return { content, thinking: node.thinking, thinkingMs: node.thinkingMs, tokens: [...kept, [text, p, 0, others]], model: node.model };
}
