import { describe, expect, it } from 'vitest';
import { AnswerBuilder } from '../src/lib/answer';
import type { Node } from '../src/lib/types';

const node = (more: Partial<Node> = {}): Node => ({ id: 'a', parent: 'q', role: 'assistant', created: 0, content: '', ...more });
const delta = (d: object, more: object = {}) => ({ choices: [{ delta: d, finish_reason: null, ...more }] });

function built(chunks: object[], start = node()) {
  let now = 1000;
  const builder = new AnswerBuilder(start, 1000, () => now);
  for (const chunk of chunks) {
    now += 100;
    builder.chunk(chunk);
  }
  return builder;
}

describe('an answer from its chunks', () => {
  it('has thinking with its time, then content', () => {
    const b = built([delta({ role: 'assistant', content: '' }), delta({ reasoning_content: 'I ' }), delta({ reasoning_content: 'add.' }), delta({ content: '4' })]);
    const shown = b.snapshot();
    expect(shown).toMatchObject({ thinking: 'I add.', content: '4', thinkingMs: 200, partial: true });
    expect(b.finish().partial).toBeUndefined();
    expect(b.finish().stats?.firstMs).toBe(200);
  });
  it('puts streamed calls together by index', () => {
    const call = (i: number, more: object) => delta({ tool_calls: [{ index: i, ...more }] });
    const b = built([
      call(0, { id: 'c1', function: { name: 'f', arguments: '' } }),
      call(0, { function: { arguments: '{"a"' } }),
      call(1, { id: 'c2', function: { name: 'g', arguments: '{}' } }),
      call(0, { function: { arguments: ':1}' } }),
    ]);
    expect(b.finish().calls).toEqual([{ id: 'c1', name: 'f', args: '{"a":1}' }, { id: 'c2', name: 'g', args: '{}' }]);
  });
  it('keeps probabilities, guesses and alternatives of tokens', () => {
    const logprobs = { content: [{ token: 'Hi', logprob: Math.log(0.5), guessed: true, top_logprobs: [{ token: 'Ho', logprob: Math.log(0.25) }] }] };
    expect(built([delta({ content: 'Hi' }, { logprobs })]).snapshot().tokens).toEqual([['Hi', 0.5, 1, [['Ho', 0.25]]]]);
  });
  it('takes the numbers of the server where it tells them', () => {
    const b = built([
      delta({ content: 'x' }),
      delta({}, { finish_reason: 'length' }),
      { choices: [], usage: { prompt_tokens: 10, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 8 }, completion_tokens_details: { reasoning_tokens: 2 } } },
    ]);
    expect(b.finish().stats).toMatchObject({ promptTokens: 10, reusedTokens: 8, answerTokens: 5, thinkingTokens: 2, end: 'length' });
    const more = built([delta({ content: 'x' }), { choices: [], glimt: { end: 'context', generated_tokens: 11, decode_seconds: 2, drafted: 4, accepted: 3, context: 2048, cut: { before: 'a', after: 'b' } } }]);
    expect(more.finish().stats).toMatchObject({ end: 'context', perSecond: 5, drafted: 4, accepted: 3, context: 2048, cut: { before: 'a', after: 'b' } });
  });
  it('takes the time of the thinking from the engine where the pieces came at once', () => {
    const end = { choices: [], glimt: { generated_tokens: 50, thinking_tokens: 40, decode_seconds: 2 } };
    expect(built([delta({ reasoning_content: 'hm' }), delta({ content: 'x' }), end]).finish().thinkingMs).toBe(1600);
    expect(built([delta({ content: 'x' }), end]).finish().thinkingMs).toBeUndefined();
  });
  it('says what it waits for', () => {
    const b = built([]);
    expect(b.waiting).toEqual({ phase: 'sent' });
    b.chunk({ choices: [], glimt: { queued: 3 } });
    expect(b.waiting).toEqual({ phase: 'queued', place: 3 });
    b.chunk({ choices: [], glimt: { prefill: { done: 5, total: 10 } } });
    expect(b.waiting).toEqual({ phase: 'prompt', done: 5, total: 10 });
    b.chunk(delta({ content: 'x' }));
    b.chunk({ choices: [], glimt: { queued: 1 } });
    expect(b.waiting).toEqual({ phase: 'writing' });
  });
  it('goes on from what is there and leaves the stored message alone', () => {
    const before = node({ thinking: 't', thinkingMs: 50, content: 'One ', tokens: [['One ', 1, 0, []]] });
    const b = built([delta({ content: 'two' }, { logprobs: { content: [{ token: 'two', logprob: 0 }] } })], before);
    expect(b.finish()).toMatchObject({ content: 'One two', thinking: 't', thinkingMs: 50 });
    expect(before.tokens).toHaveLength(1);
  });
  it('has no details where its beginning has none', () => {
    const logprobs = { content: [{ token: 'two', logprob: 0 }] };
    expect(built([delta({ content: 'two' }, { logprobs })], node({ content: 'One ' })).finish().tokens).toBeUndefined();
    expect(built([delta({ content: 'two' }, { logprobs })], node({ thinking: 'One ' })).finish().tokens).toHaveLength(1);
  });
  it('is stopped, not ended, where the user stopped it', () => {
    expect(built([delta({ reasoning_content: 'hm' })]).finish(true).stats?.end).toBe('stopped');
  });
  it('survives chunks of any shape', () => {
    for (const odd of [null, 3, {}, { choices: [] }, { choices: [{}] }, { choices: [{ delta: null }] }, { glimt: {} }]) {
      expect(() => built([odd as object]).finish()).not.toThrow();
    }
  });
});
