// A server that speaks the page's part of the API from a script, for states that a real one is not brought to easily:
// a full queue, a model that loads, a key, a connection that breaks, long answers at a given speed.
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { policyOf } from '../scripts/policy.mjs';

// The page that is tested: what CMake has built, or what `npm run build` leaves.
export const PAGE = process.env['PAGE'] ?? fileURLToPath(new URL('../dist/index.html', import.meta.url));

export interface Piece {
  thinking?: string;
  content?: string;
  call?: { index: number; id?: string; name?: string; args?: string };
  waitMs?: number;
  raw?: object; // sent as it is
  cut?: true | Promise<void>; // the connection breaks here, or once the promise is kept
}

export interface Script {
  status?: number; // an error in place of the answer
  code?: string;
  message?: string;
  pieces?: Piece[];
  finish?: string;
  usage?: object;
  glimt?: object;
  everyMs?: number;
}

const SETTINGS = {
  model: 'demo', context_length: 2048,
  settings: [
    { name: 'max_tokens', field: 'max_tokens', type: 'integer', min: 1, max: 2147483647, default: null, help: 'the longest answer, thinking included', group: 'answer' },
    { name: 'temperature', field: 'temperature', type: 'number', min: 0, max: 2, default: 0, help: '0 takes the likeliest token', group: 'sampling' },
    { name: 'top_k', field: 'top_k', type: 'integer', min: 0, max: 2147483647, default: 0, help: 'only the N likeliest tokens; 0: all', group: 'sampling' },
    { name: 'top_p', field: 'top_p', type: 'number', min: 0, max: 1, default: 1, help: 'only the likeliest tokens that sum to P', group: 'sampling' },
    { name: 'min_p', field: 'min_p', type: 'number', min: 0, max: 1, default: 0, help: 'only tokens at least P times as likely as the best', group: 'sampling' },
    { name: 'typical_p', field: 'typical_p', type: 'number', min: 0, min_excluded: true, max: 1, default: 1, help: 'locally typical sampling; 1: off', group: 'sampling' },
    { name: 'repeat_penalty', field: 'repetition_penalty', type: 'number', min: 0, min_excluded: true, max: 1000, default: 1, help: 'above 1: tokens of prompt and answer become less likely', group: 'sampling' },
    { name: 'seed', field: 'seed', type: 'integer', min: 0, default: null, help: 'same seed, same text', group: 'sampling' },
  ],
  features: ['continue_final_message', 'glimt', 'regex', 'thinking_budget', 'unload'],
};

// With probabilities: words as tokens, some of them guessed, some unsure.
export function words(text: string): Piece[] {
  return (text.match(/\s*\S+|\s+/g) ?? []).map((word, i) => {
    const p = [0.99, 0.93, 0.72, 0.41, 0.98, 0.18][i % 6]!;
    const top = [[word, p], [' perhaps', (1 - p) * 0.6], [' the', (1 - p) * 0.25], [' a', (1 - p) * 0.1]] as [string, number][];
    const item = { token: word, logprob: Math.log(p), guessed: i % 4 === 1, top_logprobs: top.map(([token, q]) => ({ token, logprob: Math.log(q) })) };
    return { raw: { choices: [{ index: 0, delta: { content: word }, logprobs: { content: [item] }, finish_reason: null }] } };
  });
}

export class Mock {
  script: Script | ((body: Record<string, unknown>) => Script) = { pieces: [{ content: 'Hello.' }], finish: 'stop' };
  needsKey = '';
  down = false;
  loaded = true; // the model is in memory
  bodies: Record<string, unknown>[] = [];
  aborted = 0;
  #server: Server;
  #html = readFileSync(PAGE, 'utf8');
  #page = gzipSync(this.#html, { level: 9 });

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  start(): Promise<string> {
    return new Promise((done) => this.#server.listen(0, '127.0.0.1', () => done(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`)));
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').split('?')[0];
    if (path === '/') return void response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-encoding': 'gzip', 'content-security-policy': policyOf(this.#html) }).end(this.#page);
    if (this.down) return void request.socket.destroy();
    if (path === '/health') return json(response, 200, { status: 'ok' });
    if (this.needsKey && request.headers.authorization !== `Bearer ${this.needsKey}`) {
      return json(response, 401, { error: { message: 'wrong key', code: 'invalid_api_key' } });
    }
    if (path === '/v1/models') return json(response, 200, { object: 'list', data: [{ id: 'demo', object: 'model', context_length: 2048, state: this.loaded ? 'loaded' : 'unloaded', size: 9_400_000, quantization: 'BF16' }] });
    if (path === '/v1/settings') {
      this.loaded = true; // as the real one: it tells the settings of a model in memory
      return json(response, 200, SETTINGS);
    }
    if (path === '/v1/status') return json(response, 200, this.loaded ? STATUS : { ...STATUS, models: [] });
    if (path === '/api/generate') return this.#load(request, response);
    if (path === '/slots') return json(response, 200, this.loaded ? SLOTS : []);
    if (path === '/v1/chat/completions') return this.#chat(request, response);
    json(response, 404, { error: { message: 'unknown route' } });
  }

  // Ollama's way: a request without a prompt loads a model, one that keeps it for no time unloads it.
  async #load(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { keep_alive: kept } = (await bodyOf(request)) as { keep_alive?: number };
    await new Promise((r) => setTimeout(r, 150));
    this.loaded = kept !== 0;
    json(response, 200, { done: true });
  }

  async #chat(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    this.bodies.push(body);
    const script = typeof this.script === 'function' ? this.script(body) : this.script;
    if (script.status) return json(response, script.status, { error: { message: script.message ?? 'no', code: script.code ?? null } }, { 'retry-after': '1' });
    let gone = false;
    response.on('close', () => {
      gone = true;
      if (!response.writableEnded) this.aborted++;
    });
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (value: object) => response.write(`data: ${JSON.stringify({ id: 'chatcmpl-1', model: 'demo', ...value })}\n\n`);
    const choice = (delta: object, finish: string | null = null) => send({ choices: [{ index: 0, delta, finish_reason: finish }] });
    choice({ role: 'assistant', content: '' });
    for (const piece of script.pieces ?? []) {
      if (piece.waitMs ?? script.everyMs) await new Promise((r) => setTimeout(r, piece.waitMs ?? script.everyMs));
      if (gone) return;
      await piece.cut;
      if (piece.cut) return void response.socket?.end(); // what was sent still arrives
      if (piece.raw) send(piece.raw);
      if (piece.thinking) choice({ reasoning_content: piece.thinking });
      if (piece.content) choice({ content: piece.content });
      if (piece.call) {
        const { index, id, name, args } = piece.call;
        choice({ tool_calls: [{ index, ...(id ? { id, type: 'function' } : {}), function: { ...(name ? { name } : {}), arguments: args ?? '' } }] });
      }
    }
    choice({}, script.finish ?? 'stop');
    send({ choices: [], usage: script.usage ?? { prompt_tokens: 42, completion_tokens: 17, prompt_tokens_details: { cached_tokens: 30 } }, ...(script.glimt ? { glimt: script.glimt } : {}) });
    response.write('data: [DONE]\n\n');
    response.end();
  }
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return JSON.parse(Buffer.concat(pieces).toString()) as Record<string, unknown>;
}

function json(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

const STATUS = {
  version: '0.1.0', device: 'CPU, avx512, 2 threads', uptime_seconds: 4000,
  models: [{
    name: 'demo', state: 'loaded', memory: 46_000_000, context_length: 2048, expires: null, requests: 1, waiting: 0, healthy: true,
    metrics: { running: 1, waiting: 1, block_bytes: 20480, blocks: 256, free_blocks: 150, cached_blocks: 80, evictable_blocks: 60, steps: 5120, prompt_tokens: 20100, reused_tokens: 15400, generated_tokens: 8200, drafted: 4100, accepted: 3900, preemptions: 0, evicted_blocks: 4, decode_seconds: 20, plain_decode_seconds: 31, speculation_speedup: 1.55 },
  }],
  requests: { total: 118, failed: 1 },
  errors: [{ time: 1795600000, status: 503, message: 'the queue is full', path: '/v1/chat/completions' }],
  history: { seconds: 5, generated: Array.from({ length: 120 }, (_, i) => Math.max(0, Math.round(900 * Math.sin(i / 9) ** 2 + 300 * Math.sin(i / 2.3)))), prompt: Array.from({ length: 120 }, (_, i) => (i % 17 === 0 ? 3000 : i % 5 === 0 ? 400 : 0)) },
};
const SLOTS = [{ model: 'demo', running: 1, waiting: 1, requests: [
  { id: 'chatcmpl-a', path: '/v1/chat/completions', phase: 'answer', prompt_tokens: 812, prefilled_tokens: 812, generated_tokens: 96, tokens_per_second: 231.4, seconds: 0.61 },
  { id: 'chatcmpl-b', path: '/v1/messages', phase: 'queued', place: 1, prompt_tokens: 1200, generated_tokens: 0, seconds: 0.12 },
] }];
