// Screenshots of every state, from the scripted server: `SHOTS=folder npm run shots`.
import { mkdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { launch, watched } from './browser';
import { Mock, words, type Script } from './mock';

const OUT = process.env['SHOTS'] ?? 'shots';
const LONG = 'A **latent** is a short vector that stands for a key and a value of attention. Each layer keeps one for every token:\n\n| part | numbers | bytes |\n|---|--:|--:|\n| latent | 512 | 1,024 |\n| rotary key | 64 | 128 |\n\nSo a context of $n$ tokens in $L$ layers takes\n\n$$M = n \\cdot L \\cdot (512 + 64) \\cdot 2\\ \\text{bytes}$$\n\nIn Python:\n\n```python\ndef cache_bytes(tokens: int, layers: int = 47) -> int:\n    """Bytes of the cache in bfloat16."""\n    return tokens * layers * (512 + 64) * 2\n```\n\n- [x] smaller than full keys\n- [ ] free\n';
const GLIMT = { end: 'end_token', prompt_tokens: 412, reused_tokens: 388, generated_tokens: 143, thinking_tokens: 31, drafted: 96, accepted: 84, context: 2048, decode_seconds: 0.61, cut: { before: 'What does the cache hold, in a few words?', after: 'And how many bytes is that for 32,768 tokens?' } };
const THINK = [{ thinking: 'They ask about the cache of latent attention. ' }, { thinking: 'I explain the latent, count the numbers, and give a function.' }];
const whole: Script = { pieces: [...THINK, ...words(LONG)], finish: 'stop', glimt: GLIMT };
const call: Script = { pieces: [{ thinking: 'I call get_weather.' }, { call: { index: 0, id: 'call_1', name: 'get_weather' } }, { call: { index: 0, args: '{"city": "Oslo", "unit": "celsius"}' } }], finish: 'tool_calls', glimt: { ...GLIMT, end: 'end_token', generated_tokens: 34, thinking_tokens: 9 } };

const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 780 } };

it('takes pictures', async () => {
  mkdirSync(OUT, { recursive: true });
  const mock = new Mock();
  const url = await mock.start();
  const browser = await launch();
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const scheme of ['light', 'dark'] as const) {
      const { context, page, faults } = await watched(browser, url, { viewport, colorScheme: scheme, deviceScaleFactor: Number(process.env['SCALE'] ?? 1.5) });
      const shot = (name: string) => page.screenshot({ path: `${OUT}/${name}-${size}-${scheme}.png` });
      const ask = async (text: string) => {
        await page.getByRole('textbox', { name: 'Message' }).fill(text);
        await page.getByRole('button', { name: 'Send' }).click();
      };
      const done = () => page.getByRole('button', { name: 'Send' }).waitFor({ timeout: 20_000 });
      const fresh = async () => { await page.goto(`${url}/#/`); await page.getByRole('textbox', { name: 'Message' }).waitFor(); };
      await page.goto(url);
      await page.getByText('tokens of context').waitFor();
      await shot('empty');
      mock.script = { ...whole, pieces: [...THINK, { waitMs: 1500 }] };
      await ask('What does the cache hold, and how many bytes is that?');
      await page.getByText('give a function').waitFor();
      await shot('thinking');
      await done();
      await fresh();
      mock.script = { ...whole, everyMs: 12 };
      await ask('What does the cache hold, and how many bytes is that?');
      await page.getByText('rotary key').waitFor();
      await shot('streaming');
      await done();
      await page.waitForTimeout(150);
      await shot('answer');
      await page.getByRole('button', { name: 'Look inside' }).click();
      await page.locator('.token').nth(5).hover();
      await shot('inside');
      await page.getByRole('button', { name: 'Look inside' }).click();
      await fresh();
      mock.script = call;
      await ask('What is the weather in Oslo?');
      await page.getByRole('textbox', { name: 'Result of get_weather' }).waitFor();
      await shot('tool');
      await fresh();
      mock.script = { pieces: [...words('The first half of an answer that'), { waitMs: 300, cut: true }] };
      await ask('Tell me a story.');
      await page.getByText('What came until then is kept').waitFor();
      await shot('error');
      await fresh();
      await page.keyboard.press('Alt+,');
      await shot('settings-prompt');
      await page.getByRole('tab', { name: 'Sampling' }).click();
      await page.getByLabel('top_p').first().fill('0.9');
      await page.getByLabel('top_p').first().blur();
      await shot('settings');
      await page.getByRole('tab', { name: 'Output and tools' }).click();
      await shot('settings-output');
      await page.keyboard.press('Escape');
      await page.goto(`${url}/#/status`);
      await page.getByText('known prefixes').first().waitFor();
      await page.waitForTimeout(700);
      await shot('status');
      if (size === 'phone') {
        await page.getByRole('button', { name: 'Open the list' }).click();
        await page.waitForTimeout(300);
        await shot('list');
      }
      expect(faults).toEqual([]);
      await context.close();
    }
  }
  await browser.close();
  mock.stop();
}, 600_000);
