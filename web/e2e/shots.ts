// Screenshots of every state, from the scripted server: `npm run shots`, or `SHOTS=folder npm run shots`.
import { mkdirSync } from 'node:fs';
import { describe, it } from 'vitest';
import type { Piece, Script } from './mock';
import { scene } from './scene';

const OUT = process.env['SHOTS'] ?? 'shots';
const QUESTION = 'What does the cache hold, and how many bytes is that?';
const ANSWER = 'A **latent** is a short vector that stands for a key and a value of attention. Each layer keeps one for every token.\n\n| part | numbers | bytes |\n|---|--:|--:|\n| latent | 512 | 1,024 |\n| rotary key | 64 | 128 |\n\nSo a context of $n$ tokens in $L$ layers takes\n\n$$M = n \\cdot L \\cdot (512 + 64) \\cdot 2\\ \\text{bytes}$$\n\n```python\ndef cache_bytes(tokens: int, layers: int = 47) -> int:\n    return tokens * layers * (512 + 64) * 2\n```\n';
const PLAIN = 'A latent is a short vector that stands for a key and a value of attention. Each layer keeps one for every token, so the cache grows with the length of the context and with the number of layers. In this model a latent has 512 numbers, and 64 more carry the position. In bfloat16 that is 1,152 bytes for each token and layer, a small part of what full keys and values would take.';
const GLIMT = { end: 'end_token', prompt_tokens: 412, reused_tokens: 388, generated_tokens: 143, thinking_tokens: 31, drafted: 96, accepted: 84, context: 2048, decode_seconds: 0.61, cut: { before: 'What does the cache hold, in a few words?', after: QUESTION } };
const THINK: Piece[] = [{ thinking: 'They ask about the cache of latent attention. ' }, { waitMs: 700, thinking: 'I explain the latent, count the numbers, and give a function.' }, { waitMs: 500, thinking: ' ' }];
const CALL: Script = { pieces: [{ thinking: 'I call' }, { waitMs: 120, thinking: ' get_weather.' }, { waitMs: 60, call: { index: 0, id: 'call_1', name: 'get_weather' } }, { call: { index: 0, args: '{"city": "Oslo", "unit": "celsius"}' } }], finish: 'tool_calls', glimt: { ...GLIMT, generated_tokens: 34, thinking_tokens: 9, drafted: 20, accepted: 18, decode_seconds: 0.15 } };

// Where the model might have said something else, with how likely it was.
const UNSURE: Record<string, [p: number, ...others: [string, number][]]> = {
  ' short': [0.46, [' small', 0.31], [' compact', 0.14], [' fixed', 0.05]],
  ' stands': [0.58, [' is', 0.22], [' holds', 0.13], [' replaces', 0.04]],
  ' attention': [0.91, [' the', 0.06]],
  ' Each': [0.33, [' Every', 0.29], [' The', 0.24], [' It', 0.08]],
  ' keeps': [0.52, [' stores', 0.36], [' holds', 0.07]],
  ' grows': [0.84, [' takes', 0.09], [' holds', 0.03]],
  ' length': [0.77, [' number', 0.18]],
  ' this': [0.08, [' the', 0.71], [' each', 0.12], [' bfloat16', 0.04]],
  ' carry': [0.64, [' hold', 0.21], [' encode', 0.11]],
  ' bfloat16': [0.96, [' all', 0.02]],
  ' part': [0.38, [' fraction', 0.47], [' share', 0.11]],
};

// As an engine sends them: most tokens are certain, and runs of those were guessed ahead.
function tokens(text: string): Piece[] {
  return (text.match(/\n+|\s?[A-Za-z]+|\s?[^\sA-Za-z]|\s+/g) ?? []).map((token, i) => {
    const [p, ...others] = UNSURE[token] ?? [0.999 - ((i * 7) % 5) / 100, [' the', 0.004], [' a', 0.002]];
    const top = [[token, p] as [string, number], ...others].map(([t, q]) => ({ token: t, logprob: Math.log(q) }));
    const item = { token, logprob: Math.log(p), guessed: p > 0.9 && i % 7 > 2, top_logprobs: top };
    return { raw: { choices: [{ index: 0, delta: { content: token }, logprobs: { content: [item] }, finish_reason: null }] } };
  });
}

const glimt = (notice: object): Piece => ({ raw: { choices: [], glimt: notice } });

const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 780 } };
const looks = Object.entries(SIZES).flatMap(([size, viewport]) => (['light', 'dark'] as const).map((scheme) => ({ size, viewport, scheme })));

describe.each(looks)('pictures, $size, $scheme', ({ size, viewport, scheme }) => {
  const s = scene({ viewport, colorScheme: scheme, deviceScaleFactor: Number(process.env['SCALE'] ?? 1) });
  mkdirSync(OUT, { recursive: true });

  const shot = (name: string) => s.page.screenshot({ path: `${OUT}/${name}-${size}-${scheme}.png`, animations: 'disabled' });
  const button = (name: string) => s.page.getByRole('button', { name, exact: true });
  const fresh = async () => { await s.page.goto(`${s.url}/#/`); await s.page.getByText('on your mind').waitFor(); };
  const stop = async () => { await s.press('Stop'); await s.ended(); };
  async function told(script: Script, question = QUESTION): Promise<void> {
    await fresh();
    s.mock.script = script;
    await s.ask(question);
  }

  it('before the first token', async () => {
    await shot('empty');
    for (const title of ['Three words for the sea', 'Sort a list in Rust', 'What is 46 plus 93?']) {
      await told({ pieces: [{ content: 'Hello.' }] }, title);
      await s.ended();
    }
    const waits: [string, Piece[], string][] = [
      ['queue', [glimt({ queued: 2 })], 'place 2'], ['loading', [glimt({ loading: 0.62 })], '62 %'],
      ['prompt', [glimt({ prefill: { done: 1536, total: 4096 } })], '1,536 of'], ['thinking', THINK, 'give a function'],
    ];
    for (const [name, pieces, text] of waits) {
      await told({ pieces: [...pieces, { waitMs: 60_000, content: 'x' }] });
      await s.page.getByText(text).waitFor();
      await shot(name);
      await stop();
    }
    if (size === 'phone') await s.press('Open the list of conversations');
    await s.page.waitForTimeout(300);
    await shot('list');
    await s.press('New private chat');
    await shot('private');
  });

  it('answers', async () => {
    await told({ pieces: [...THINK, ...tokens(ANSWER)], glimt: GLIMT, everyMs: 8 });
    await s.last().getByText('rotary key').waitFor();
    await shot('streaming');
    await s.ended();
    await s.page.waitForTimeout(200);
    await shot('answer');
    await button('More').click();
    await shot('menu');
    await s.page.keyboard.press('Escape');
    await told({ pieces: [...THINK, ...tokens(PLAIN)], glimt: GLIMT });
    await s.ended();
    await button('Look inside').click();
    await s.page.locator('.scroller').evaluate((e) => { e.scrollTop = 0; });
    await s.page.getByRole('button', { name: 'Each, 33%' }).hover();
    await shot('inside');
    await button('Look inside').click();
    await button('Edit').first().focus();
    await s.page.keyboard.press('Enter');
    await shot('edit');
  });

  it('a tool, and files', async () => {
    await told(CALL, 'What is the weather in Oslo?');
    await s.page.getByRole('textbox', { name: 'Result of get_weather' }).waitFor();
    await s.ended();
    await shot('tool');
    s.mock.script = { pieces: tokens('It is -3 °C in Oslo, with snow from the east.'), glimt: { ...GLIMT, generated_tokens: 14, drafted: 9, accepted: 8, decode_seconds: 0.06 } };
    await s.page.getByRole('textbox', { name: 'Result of get_weather' }).fill('{"temperature": -3, "sky": "snow"}');
    await button('Give result').click();
    await s.last().getByText('from the east').waitFor();
    await s.ended();
    await shot('tool-result');
    await fresh();
    await s.page.locator('input[type=file]').first().setInputFiles([
      { name: 'measurements.csv', mimeType: 'text/csv', buffer: Buffer.from('1,2\n'.repeat(900)) },
      { name: 'notes.md', mimeType: 'text/markdown', buffer: Buffer.from('# Notes\n'.repeat(40)) },
      { name: 'photo.png', mimeType: 'image/png', buffer: Buffer.from('x') },
    ]);
    await s.box().fill('What do these say?');
    await shot('files');
  });

  it('what goes wrong', async () => {
    await told({ pieces: [...tokens('The tide comes in twice a day, and'), { waitMs: 300, cut: true }] }, 'Tell me about the sea.');
    await s.page.getByText('What came until then is kept').waitFor();
    await shot('error');
    await told({ status: 503, code: 'overloaded', message: 'the queue is full' }, 'Tell me about the sea.');
    await s.page.getByText('Trying again in').waitFor();
    await shot('busy');
    await stop();
    await fresh();
    s.mock.down = true;
    await s.ask('Are you there?');
    await s.page.getByText('what you type stays here').waitFor({ timeout: 10_000 });
    await shot('gone');
    s.mock.down = false;
    s.mock.needsKey = 'secret';
    await s.page.reload();
    await s.page.getByText('wants an API key').waitFor();
    await shot('key');
  });

  it('settings', async () => {
    await s.page.keyboard.press('Alt+,');
    await s.page.getByRole('textbox', { name: 'System prompt' }).fill('Answer in one sentence.');
    await shot('settings-prompt');
    await s.tab('Sampling');
    await s.page.getByRole('textbox', { name: 'top_p' }).fill('0.9');
    await s.page.getByRole('textbox', { name: 'top_p' }).blur();
    await shot('settings');
    await s.tab('Output and tools');
    await s.page.getByRole('radio', { name: /^JSON schema/ }).check();
    await shot('settings-output');
    for (const name of ['Page', 'Data']) {
      await s.tab(name);
      await shot(`settings-${name.toLowerCase()}`);
    }
    await s.page.keyboard.press('Escape');
    await s.page.locator('dialog').waitFor({ state: 'detached' });
    await button('Look inside').focus();
    await s.page.keyboard.press('?');
    await shot('keys');
  });

  it('the status', async () => {
    await s.page.goto(`${s.url}/#/status`);
    await s.page.locator('.stack').waitFor();
    await s.page.waitForTimeout(700);
    await shot('status');
    s.mock.loaded = false;
    await s.page.getByText('not loaded').waitFor();
    await shot('status-unloaded');
  });
});
