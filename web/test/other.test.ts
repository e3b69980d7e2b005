// @vitest-environment jsdom
import { File as NodeFile } from 'node:buffer'; // jsdom's cannot be read
import { describe, expect, it } from 'vitest';
import { MAX_FILE_BYTES, quoted, readAttachment, readAttachments } from '../src/lib/attachments';
import { prettyJson, regexFault, schemaFault, toolsFault, toolsFrom } from '../src/lib/checks';
import { actionOf, KEYS } from '../src/lib/keys';
import { areaPath, History, linePath, niceMax } from '../src/lib/plots';
import { SearchIndex } from '../src/lib/search';
import { changesIn, EMPTY_SETTINGS, faultOf, settingsFrom, sliderOf, withNumber } from '../src/lib/settings';
import { SentenceReader } from '../src/lib/speak';
import { ageOf, titleOf } from '../src/lib/titles';
import { asMarkdown, exportText, importText } from '../src/lib/transfer';
import { newConversation, path, putNode } from '../src/lib/tree';
import type { Node } from '../src/lib/types';

describe('titles', () => {
  it.each([
    ['What is 46 plus 93?', 'What is 46 plus 93?'],
    ['\n\n## **Plan** for `x`\nmore', 'Plan for x'],
    ['   ', ''],
    ['```js\nlet a\n```', 'let a'],
  ])('of %j is %j', (text, title) => expect(titleOf(text)).toBe(title));
  it('are cut between words and between characters', () => {
    expect(titleOf('word '.repeat(40))).toMatch(/^(word ){11}word…$/);
    expect([...titleOf('🙂'.repeat(90))]).toHaveLength(61);
  });
  it('stand under their day', () => {
    const now = new Date(2026, 10, 26, 0, 30).getTime();
    const hour = 3600_000;
    expect([ageOf(now, false, now), ageOf(now - hour, false, now), ageOf(now - 25 * hour, false, now), ageOf(now - 400 * hour, false, now), ageOf(0, false, now), ageOf(0, true, now)])
      .toEqual(['today', 'yesterday', 'week', 'month', 'older', 'pinned']);
  });
});

function conversation(id: string, text: string) {
  const c = putNode(newConversation(EMPTY_SETTINGS, 1, id), { id: `${id}q`, parent: null, role: 'user', created: 2, content: text });
  c.meta.title = titleOf(text);
  return c;
}

describe('search', () => {
  const index = new SearchIndex();
  const all = [conversation('a', 'Über die Wörter in einem langen Text'), conversation('b', 'plain words')];
  for (const c of all) index.put(c);
  const metas = all.map((c) => c.meta);
  it('ignores case and accents and wants every word', () => {
    expect(index.find('WORTER uber', metas).map((h) => h.meta.id)).toEqual(['a']);
    expect(index.find('uber plain', metas)).toEqual([]);
    expect(index.find('  ', metas)).toHaveLength(2);
  });
  it('shows where', () => expect(index.find('langen', metas)[0]?.snippet).toContain('langen Text'));
  it('knows what it has not read', () => {
    expect(index.isStale(metas[0]!)).toBe(false);
    expect(index.isStale({ ...metas[0]!, updated: 99 })).toBe(true);
    index.drop('a');
    expect(index.isStale(metas[0]!)).toBe(true);
  });
});

describe('settings', () => {
  const s = { name: 'top_p', field: 'top_p', type: 'number' as const, min: 0, min_excluded: true, max: 1, default: 1 };
  it('have bounds', () => {
    expect([faultOf(s, 0), faultOf(s, 0.5), faultOf(s, 1.1), faultOf(s, NaN), faultOf({ ...s, type: 'integer' }, 0.5)]).toEqual(['range', null, 'range', 'number', 'whole']);
  });
  it('get a slider where one helps', () => {
    expect(sliderOf(s)).toMatchObject({ min: 0, max: 1 });
    expect(sliderOf({ ...s, max: 1000 })).toBeNull();
    expect(sliderOf({ ...s, name: 'temperature', max: 100 })).toMatchObject({ max: 2 });
  });
  it('count as changed until they are reset', () => {
    const changed = withNumber(EMPTY_SETTINGS, 'top_p', 0.5);
    expect(changesIn(changed)).toBe(1);
    expect(changesIn(withNumber(changed, 'top_p', undefined))).toBe(0);
    expect(changesIn({ ...EMPTY_SETTINGS, system: 'x', thinking: false, form: 'json' })).toBe(3);
  });
  it('are made whole from anything', () => {
    expect(settingsFrom(null)).toEqual(EMPTY_SETTINGS);
    expect(settingsFrom({ numbers: { a: 1, b: 'x', c: null }, stop: ['s', 3, ''], form: 'xml', thinkingBudget: -4 })).toEqual({ ...EMPTY_SETTINGS, numbers: { a: 1 }, stop: ['s'] });
    expect(settingsFrom({ form: 'schema', schema: '{', tools: '{}' })).toEqual({ ...EMPTY_SETTINGS, schema: '{' });
    expect(settingsFrom({ form: 'schema', schema: '{}', tools: '[{"name":"f"}]' })).toMatchObject({ form: 'schema', tools: '[{"name":"f"}]' });
  });
});

describe('checks while typing', () => {
  it('find what is wrong with tools', () => {
    expect(toolsFault('')).toBeNull();
    expect(toolsFault('[{"name":"f","parameters":{}},{"type":"function","function":{"name":"g"}}]')).toBeNull();
    expect(toolsFault('{}')).toEqual({ what: 'not_array' });
    expect(toolsFault('[{}]')).toEqual({ what: 'tool_name', index: 0 });
    expect(toolsFault('[{"name":"f"},{"name":"f"}]')).toEqual({ what: 'tool_twice', name: 'f' });
    expect(toolsFault('[{"name":"f","parameters":[]}]')).toEqual({ what: 'tool_parameters', name: 'f' });
    expect(toolsFault('[\n{"name":}]')).toMatchObject({ what: 'json', line: 2 });
  });
  it('bring tools into one form', () => {
    expect(toolsFrom('[{"name":"f"},{"type":"function","function":{"name":"g"}}]')).toEqual([
      { type: 'function', function: { name: 'f' } }, { type: 'function', function: { name: 'g' } },
    ]);
  });
  it('find what is wrong with schemas and patterns', () => {
    expect(schemaFault('{"type":"object"}')).toBeNull();
    expect(schemaFault('[]')).toEqual({ what: 'not_object' });
    expect(regexFault('(?i)(?P<x>a+)')).toBeNull();
    expect(regexFault('(')).toMatchObject({ what: 'regex' });
    expect(prettyJson('{"a":1}')).toContain('\n');
    expect(prettyJson('{"a"')).toBe('{"a"');
  });
});

describe('attachments', () => {
  const file = (content: string | Uint8Array, name: string, type = '') => new NodeFile([content], name, { type }) as unknown as File;
  it('are text', async () => {
    expect(await readAttachment(file('a\r\nb', 'x.md'))).toEqual({ name: 'x.md', text: 'a\nb' });
  });
  it('refuse what is none', async () => {
    expect(await readAttachment(file('x', 'p.png', 'image/png'))).toMatchObject({ why: 'image' });
    expect(await readAttachment(file('%PDF', 'p.pdf', 'application/pdf'))).toMatchObject({ why: 'binary' });
    expect(await readAttachment(file(new Uint8Array([0xff, 0xfe, 0]), 'b'))).toMatchObject({ why: 'binary' });
    expect(await readAttachment(file('a\0b', 'b'))).toMatchObject({ why: 'binary' });
    expect(await readAttachment(file('x'.repeat(MAX_FILE_BYTES + 1), 'l.txt'))).toMatchObject({ why: 'large' });
  });
  it('are limited in number', async () => {
    const { read, refused } = await readAttachments([file('1', 'a'), file('2', 'b')], 19);
    expect([read.length, refused[0]?.why]).toEqual([1, 'many']);
  });
  it('cannot end their quotation', () => {
    const text = quoted({ name: 'a`\nb.md', text: '```\n````x\n' });
    expect(text.split('\n')[1]).toBe('`````md');
    expect(text.split('\n')[0]).toBe('File `a  b.md`:');
  });
});

describe('export and import', () => {
  const c = conversation('a', 'Hi');
  const full = putNode(putNode(c, { id: 'x', parent: 'aq', role: 'assistant', created: 3, content: 'one', thinking: 'hm', tokens: [['one', 1, 0, []]] }),
    { id: 'y', parent: 'aq', role: 'assistant', created: 4, content: 'two', calls: [{ id: 'k', name: 'f', args: '{}' }] });
  it('keep the whole tree, under new ids', () => {
    const [back] = importText(exportText([full]));
    expect(back!.nodes.size).toBe(3);
    expect(path(back!).map((n) => n.content)).toEqual(['Hi', 'two']);
    expect(back!.meta.id).not.toBe('a');
    expect([...back!.nodes.values()].find((n) => n.content === 'one')).toMatchObject({ thinking: 'hm', tokens: [['one', 1, 0, []]] });
  });
  it.each([
    ['{', 'JSON'],
    ['{}', 'format'],
    ['{"format":"glimt-conversations","conversations":[{}]}', 'conversations[0].nodes'],
    ['{"format":"glimt-conversations","conversations":[{"nodes":[{"id":"a","role":"king","content":""}]}]}', 'nodes[0].role'],
    ['{"format":"glimt-conversations","conversations":[{"nodes":[{"id":"a","role":"user","content":"","parent":"z"}]}]}', 'nodes[0].parent'],
  ])('refuse %j and name the place', (text, place) => {
    expect(() => importText(text)).toThrow(place);
  });
  it('drop fields of a wrong type', () => {
    const odd = { format: 'glimt-conversations', conversations: [{ nodes: [{ id: 'a', role: 'user', content: 'x', thinking: 5, calls: [{}], tokens: [['x']], stats: { answerTokens: 1, firstMs: '<b>' } }] }] };
    const node = [...importText(JSON.stringify(odd))[0]!.nodes.values()][0] as Node;
    expect(node.thinking).toBeUndefined();
    expect(node.tokens).toBeUndefined();
    expect(node.calls).toEqual([]);
    expect(node.stats?.firstMs).toBe(0);
  });
  it('write Markdown for people', () => {
    const text = asMarkdown(full);
    expect(text).toContain('# Hi');
    expect(text).toContain('## Answer\n\ntwo');
    expect(text).toContain('`f`');
  });
});

describe('sentences for a screen reader', () => {
  it('come when they end', () => {
    const reader = new SentenceReader();
    expect(reader.next('Hello the', false)).toBe('');
    expect(reader.next('Hello there. How *are* you? I', false)).toBe('Hello there. How are you?');
    expect(reader.next('Hello there. How *are* you? I am', false)).toBe('');
    expect(reader.next('Hello there. How *are* you? I am fine', true)).toBe('I am fine');
  });
});

describe('plots', () => {
  it('show rates, gaps and no negative ones', () => {
    const history = new History();
    const at = (s: number, generated: number) => history.push({ at: s * 1000, generated, prompt: 0, steps: generated, stepSeconds: generated / 50 });
    at(0, 0); at(5, 100);
    expect(history.stepMs()).toBe(20);
    at(10, 50); at(600, 50);
    const rates = history.rates('generated', 600_000, 120);
    expect(rates[0]).toBe(20);
    expect(rates[1]).toBe(0);
    expect(rates[50]).toBe(0);
    expect(history.stepMs()).toBeNull();
  });
  it('have gaps where nobody looked yet, and means where nobody looked for a while', () => {
    const history = new History();
    const at = (s: number, generated: number) => history.push({ at: s * 1000, generated, prompt: 0, steps: 0, stepSeconds: 0 });
    at(590, 0); at(592.5, 100); at(602.5, 300);
    const rates = history.rates('generated', 602_500, 120);
    expect(rates.slice(0, 117).every((r) => r === null)).toBe(true);
    expect(rates.slice(117)).toEqual([30, 20, 20]); // half of the first part at 40 a second
    at(1300, 300);
    expect(history.rates('generated', 1_300_000, 120).slice(0, 2)).toEqual([0, 0]);
  });
  it('draw', () => {
    expect(linePath([0, 1, null, 1], 1, 30, 10)).toBe('M0.0 10.0L10.0 0.0M30.0 0.0');
    expect(areaPath([0, 1, null, 1], 1, 30, 10)).toBe('M0.0 10.0L10.0 0.0L10.0 10L0.0 10Z');
    expect([niceMax(0), niceMax(3), niceMax(70), niceMax(100)]).toEqual([1, 3, 80, 100]);
  });
});

describe('keys', () => {
  const press = (init: KeyboardEventInit, target?: HTMLElement) => {
    const event = new KeyboardEvent('keydown', init);
    if (target) Object.defineProperty(event, 'target', { value: target });
    return actionOf(event);
  };
  it('do what the table says', () => {
    expect(press({ key: 'n', code: 'KeyN', altKey: true })).toBe('new');
    expect(press({ key: '˜', code: 'KeyN', altKey: true })).toBe('new');
    expect(press({ key: '?' })).toBe('help');
    expect(press({ key: 'n', ctrlKey: true })).toBeNull();
    expect(press({ key: 'Escape' }, document.createElement('textarea'))).toBe('stop');
  });
  it('leave typing alone', () => {
    expect(press({ key: '?' }, document.createElement('textarea'))).toBeNull();
    expect(press({ key: '/' }, document.createElement('input'))).toBeNull();
    expect(press({ key: 'Enter' })).toBeNull();
  });
  it('are each used once', () => {
    const all = KEYS.flatMap((k) => k.keys);
    expect(new Set(all).size).toBe(all.length);
  });
});
