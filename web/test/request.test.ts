import { describe, expect, it } from 'vitest';
import { requestBody } from '../src/lib/request';
import type { ServerSettings } from '../src/lib/server_types';
import { EMPTY_SETTINGS, PLAIN_SETTINGS } from '../src/lib/settings';
import type { Node } from '../src/lib/types';

const FULL: ServerSettings = {
  settings: [{ name: 'repeat_penalty', field: 'repetition_penalty', type: 'number', default: 1 }, ...PLAIN_SETTINGS.settings],
  features: ['continue_final_message', 'glimt', 'regex', 'thinking_budget'],
};
const q: Node = { id: 'q', parent: null, role: 'user', created: 0, content: 'Hi' };
const body = (shown: Node[], settings = {}, more = {}, server = FULL) =>
  requestBody(shown, { settings: { ...EMPTY_SETTINGS, ...settings }, server, details: false, ...more }) as Record<string, unknown>;

describe('a request', () => {
  it('asks for nothing that is not set', () => {
    expect(body([q], {}, {}, PLAIN_SETTINGS)).toEqual({
      messages: [{ role: 'user', content: 'Hi' }], stream: true, stream_options: { include_usage: true },
      chat_template_kwargs: { enable_thinking: true },
    });
  });
  it('has the system message first and files before the question', () => {
    const asked = { ...q, attachments: [{ name: 'a.csv', text: '1,2\n' }] };
    expect(body([asked], { system: 'Be brief.' })['messages']).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'File `a.csv`:\n```csv\n1,2\n```\n\nHi' },
    ]);
  });
  it('names settings as the dialect does and leaves out unknown ones', () => {
    expect(body([q], { numbers: { repeat_penalty: 1.1, temperature: 0, dry_base: 2 } })).toMatchObject({ repetition_penalty: 1.1, temperature: 0 });
    expect(body([q], { numbers: { dry_base: 2 } })).not.toHaveProperty('dry_base');
  });
  it('hands calls, their results and the thinking back', () => {
    const a: Node = { id: 'a', parent: 'q', role: 'assistant', created: 1, content: '', thinking: 'I call.', calls: [{ id: 'c', name: 'f', args: '' }] };
    const r: Node = { id: 'r', parent: 'a', role: 'tool', created: 2, content: '42', callId: 'c', callName: 'f' };
    expect(body([q, a, r])['messages']).toEqual([
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: '', reasoning_content: 'I call.', tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }] },
      { role: 'tool', tool_call_id: 'c', content: '42' },
    ]);
  });
  it('leaves out answers of which nothing came, unless they are continued', () => {
    const empty: Node = { id: 'a', parent: 'q', role: 'assistant', created: 1, content: '', thinking: 'hm' };
    expect(body([q, empty])['messages']).toHaveLength(1);
    expect(body([q, empty], {}, { continues: true })).toMatchObject({ continue_final_message: true, messages: [{}, { reasoning_content: 'hm' }] });
  });
  it('says the form, the tools, the stops and the budget', () => {
    expect(body([q], { form: 'json' })['response_format']).toEqual({ type: 'json_object' });
    expect(body([q], { form: 'schema', schema: '{"type":"object"}' })['response_format']).toMatchObject({ type: 'json_schema', json_schema: { schema: { type: 'object' } } });
    expect(body([q], { form: 'regex', regex: 'a+' })['response_format']).toEqual({ type: 'regex', pattern: 'a+' });
    expect(body([q], { form: 'regex', regex: 'a+' }, {}, PLAIN_SETTINGS)).not.toHaveProperty('response_format');
    expect(body([q], { tools: '[{"name":"f"}]', stop: ['x'], thinkingBudget: 9 })).toMatchObject({ tools: [{ type: 'function', function: { name: 'f' } }], stop: ['x'], thinking: { budget_tokens: 9 } });
    expect(body([q], { thinking: false, thinkingBudget: 9 })).not.toHaveProperty('thinking');
  });
  it('asks for probabilities where they are wanted', () => {
    expect(body([q], {}, { details: true })).toMatchObject({ logprobs: true, top_logprobs: 5, glimt: true });
  });
});
