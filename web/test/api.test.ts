import { describe, expect, it, vi } from 'vitest';
import { Api } from '../src/lib/api';
import { Problem } from '../src/lib/problems';

function streamed(pieces: (string | Error | null)[], status = 200, headers: Record<string, string> = {}): typeof fetch {
  return (async () => {
    const encoder = new TextEncoder();
    const body = new ReadableStream({
      async pull(controller) {
        const piece = pieces.shift();
        if (piece === undefined) return controller.close();
        if (piece === null) return new Promise(() => {}); // silence
        if (piece instanceof Error) return controller.error(piece);
        controller.enqueue(encoder.encode(piece));
      },
    });
    return new Response(body, { status, headers });
  }) as typeof fetch;
}

async function collect(api: Api, signal = new AbortController().signal): Promise<{ chunks: unknown[]; problem?: Problem }> {
  const chunks: unknown[] = [];
  try {
    for await (const chunk of api.chat({}, signal)) chunks.push(chunk);
    return { chunks };
  } catch (error) {
    return { chunks, problem: error as Problem };
  }
}

describe('the client of the API', () => {
  it('returns chunks up to [DONE]', async () => {
    const { chunks, problem } = await collect(new Api(streamed(['data: {"a":', '1}\n\ndata: [DONE]\n\n', 'data: {"late":1}\n\n'])));
    expect(chunks).toEqual([{ a: 1 }]);
    expect(problem).toBeUndefined();
  });
  it('puts characters together that were cut between pieces', async () => {
    const bytes = new TextEncoder().encode('data: {"t":"é🙂"}\n\ndata: [DONE]\n\n');
    const api = new Api((async () => new Response(new ReadableStream({
      start(c) { for (const b of bytes) c.enqueue(new Uint8Array([b])); c.close(); },
    }))) as typeof fetch);
    expect((await collect(api)).chunks).toEqual([{ t: 'é🙂' }]);
  });
  it('takes a stream that only stops for a broken one', async () => {
    const { chunks, problem } = await collect(new Api(streamed(['data: {"a":1}\n\n'])));
    expect(chunks).toHaveLength(1);
    expect(problem?.kind).toBe('gone');
  });
  it('takes a broken connection and silence for a server that is gone', async () => {
    expect((await collect(new Api(streamed(['data: {"a":1}\n\n', new Error('reset')])))).problem?.kind).toBe('gone');
    expect((await collect(new Api(streamed(['data: {"a":1}\n\n', null]), 20))).problem?.kind).toBe('gone');
    expect((await collect(new Api((async () => { throw new TypeError('Failed to fetch'); }) as typeof fetch))).problem?.kind).toBe('gone');
  });
  it('tells an error in the stream from its end', async () => {
    const { problem } = await collect(new Api(streamed(['data: {"error":{"message":"it broke","code":"engine_failed"}}\n\n'])));
    expect(problem).toMatchObject({ kind: 'engine', message: 'it broke' });
    expect((await collect(new Api(streamed(['data: {nonsense\n\n'])))).problem?.kind).toBe('engine');
  });
  it.each([
    [503, '{"error":{"message":"full","code":"overloaded"}}', 'busy'],
    [503, '{"error":{"message":"loading","code":"loading"}}', 'loading'],
    [429, '{"error":{"message":"slow down"}}', 'busy'],
    [401, '{"error":{"message":"no","code":"invalid_api_key"}}', 'key'],
    [400, '{"error":{"message":"prompt is too long: 3 tokens > 2 maximum","code":"context_length_exceeded"}}', 'too_long'],
    [400, '{"error":{"message":"tools[0]: …","code":null}}', 'refused'],
    [502, '<html>Bad gateway</html>', 'engine'],
  ])('%i is told by its kind', async (status, body, kind) => {
    const { problem } = await collect(new Api(streamed([body], status, { 'retry-after': '7' })));
    expect(problem).toMatchObject({ kind, retryAfter: 7 });
    expect(problem?.message).not.toBe('');
  });
  it('passes an abort through', async () => {
    const controller = new AbortController();
    const api = new Api((async () => { controller.abort(); throw new DOMException('aborted', 'AbortError'); }) as typeof fetch);
    expect((await collect(api, controller.signal)).problem?.name).toBe('AbortError');
  });
  it('sends the key, and only where there is one', async () => {
    const fetcher = vi.fn(async () => new Response('{"data":[]}'));
    const api = new Api(fetcher as unknown as typeof fetch);
    await api.models();
    api.key = 'k';
    await api.models();
    const headers = fetcher.mock.calls.map((c) => (c as unknown as [string, RequestInit])[1].headers);
    expect(headers).toEqual([{}, { authorization: 'Bearer k' }]);
  });
  it('says what health says', async () => {
    const answers = [new Response('{"status":"ok"}'), new Response('{"status":"loading"}', { status: 503 }), new Response('x', { status: 503 })];
    const api = new Api((async () => answers.shift() ?? Promise.reject(new TypeError('no'))) as typeof fetch);
    expect([await api.health(), await api.health(), await api.health(), await api.health()]).toEqual(['ok', 'loading', 'unwell', 'gone']);
  });
  it('knows a server without settings', async () => {
    expect(await new Api(streamed(['{}'], 404)).settings()).toBeNull();
  });
});
