// axe-core finds nothing to complain about, in any state, on a phone or a desktop, light or dark.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chromiumPath, launch, watched } from './browser';
import { Mock, words } from './mock';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Finding {
  id: string;
  nodes: { html: string; failureSummary?: string }[];
}

async function findings(page: Page): Promise<string[]> {
  const result = await page.evaluate(`window.axe ? axe.run(document) : null`);
  return (result as { violations: Finding[] }).violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.html.slice(0, 160)} ${n.failureSummary ?? ''}`));
}

describe.skipIf(!chromiumPath)('for everybody', () => {
  let browser: Browser;
  let mock: Mock;
  let url: string;
  beforeAll(async () => {
    browser = await launch();
    mock = new Mock();
    url = await mock.start();
  });
  afterAll(async () => {
    await browser?.close();
    mock.stop();
  });

  it.each([
    ['light', { width: 1280, height: 800 }],
    ['dark', { width: 390, height: 780 }],
  ] as const)('in %s colours', async (colorScheme, viewport) => {
    const { context, page, faults } = await watched(browser, url, { colorScheme, viewport, reducedMotion: 'reduce', bypassCSP: true });
    await page.addInitScript(AXE);
    await page.goto(url);
    await page.getByText('tokens of context').waitFor();
    expect(await findings(page), 'empty').toEqual([]);
    const ask = async (text: string) => {
      await page.getByRole('textbox', { name: 'Message' }).fill(text);
      await page.getByRole('button', { name: 'Send' }).click();
      await page.getByRole('button', { name: 'Send' }).waitFor();
    };
    mock.script = { pieces: [{ thinking: 'Hm.' }, ...words('# A *title*\n\n- [x] done\n\n```python\ndef f(x: int) -> str:\n    return "a" + str(1)  # note\n```\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\n$x^2$ and [link](https://e.example) and `code`.\n\n> quoted\n')], glimt: { prompt_tokens: 1800, reused_tokens: 80, generated_tokens: 90, context: 2048, end: 'length' } };
    await ask('Show everything');
    await page.locator('details.thinking summary').click();
    expect(await findings(page), 'answer').toEqual([]);
    await page.getByRole('button', { name: 'Look inside' }).click();
    await page.locator('.token').nth(3).focus();
    expect(await findings(page), 'look inside').toEqual([]);
    await page.getByRole('button', { name: 'Look inside' }).click();
    mock.script = { pieces: [{ call: { index: 0, id: 'c', name: 'f', args: '{"a": 1}' } }], finish: 'tool_calls' };
    await ask('Call');
    expect(await findings(page), 'tool').toEqual([]);
    mock.script = { pieces: [{ content: 'x' }, { waitMs: 200, cut: true }] };
    await ask('Break');
    expect(await findings(page), 'error').toEqual([]);
    await page.keyboard.press('Alt+,');
    for (const tab of ['Prompt', 'Sampling', 'Output and tools', 'Page', 'Data']) {
      await page.getByRole('tab', { name: tab }).click();
      expect(await findings(page), tab).toEqual([]);
    }
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Look inside' }).focus();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    expect(await findings(page), 'keys').toEqual([]);
    await page.keyboard.press('Escape');
    await page.goto(`${url}/#/status`);
    await page.getByText('known prefixes').first().waitFor();
    expect(await findings(page), 'status').toEqual([]);
    expect(faults).toEqual([]);
    await context.close();
  });

  it('without motion where none is wanted', async () => {
    const { context, page } = await watched(browser, url, { reducedMotion: 'reduce' });
    await page.goto(url);
    await page.getByRole('button', { name: 'Settings' }).waitFor();
    expect(await page.evaluate(() => getComputedStyle(document.querySelector('.sidebar')!).transitionDuration)).toMatch(/^0s/);
    await context.close();
  });
});
