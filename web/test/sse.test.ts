import { describe, expect, it } from 'vitest';
import { SseParser } from '../src/lib/sse';

const STREAM = ': hello\n\ndata: {"a":1}\n\nevent: error\ndata: x\ndata: y\r\n\r\ndata:[DONE]\n\n';
const EXPECTED = [
  { type: 'message', data: '{"a":1}' },
  { type: 'error', data: 'x\ny' },
  { type: 'message', data: '[DONE]' },
];

describe('server-sent events', () => {
  it('are the same however the stream is cut', () => {
    for (let size = 1; size <= STREAM.length; size++) {
      const parser = new SseParser();
      const events = [];
      for (let i = 0; i < STREAM.length; i += size) events.push(...parser.push(STREAM.slice(i, i + size)));
      expect(events, `pieces of ${size}`).toEqual(EXPECTED);
    }
  });
  it('do not come before they are complete', () => {
    const parser = new SseParser();
    expect(parser.push('data: half')).toEqual([]);
    expect(parser.push('\n')).toEqual([]);
    expect(parser.push('\n')).toEqual([{ type: 'message', data: 'half' }]);
  });
  it('take a lone CR as the end of a line', () => {
    expect(new SseParser().push('data: a\r\rdata: b\n\n')).toEqual([
      { type: 'message', data: 'a' },
      { type: 'message', data: 'b' },
    ]);
  });
  it('leave out fields without a meaning here', () => {
    expect(new SseParser().push('id: 3\nretry: 10\nfoo\ndata: x\n\n')).toEqual([{ type: 'message', data: 'x' }]);
  });
});
