// axe-core finds nothing to complain about, in any state, on a phone or a desktop, light or dark.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { chromiumPath } from './browser';
import { scene } from './scene';
import { states } from './states';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Finding {
  id: string;
  nodes: { html: string; failureSummary?: string }[];
}

// `rules`: which; all where none is named.
async function findings(page: Page, rules: readonly string[] = []): Promise<string[]> {
  if (!(await page.evaluate('"axe" in window'))) await page.evaluate(AXE);
  const result = await page.evaluate(`axe.run(document, ${rules.length > 0 ? JSON.stringify({ runOnly: rules }) : '{}'})`);
  return (result as { violations: Finding[] }).violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.html.slice(0, 160)} ${n.failureSummary ?? ''}`));
}

describe.skipIf(!chromiumPath).each([
  ['light', []],
  ['dark', ['color-contrast']], // the rest is the same
] as const)('in %s colours', (colorScheme, rules) => {
  const s = scene({ colorScheme, reducedMotion: 'reduce', bypassCSP: true });

  it('axe-core finds nothing in any state', async () => {
    const seen: string[] = [];
    for await (const { name, page } of states(s)) {
      expect(await findings(page, rules), name).toEqual([]);
      seen.push(name);
    }
    expect(seen.length).toBeGreaterThan(20);
  });
});

describe.skipIf(!chromiumPath)('on a phone', () => {
  const s = scene({ colorScheme: 'dark', viewport: { width: 390, height: 780 }, reducedMotion: 'reduce', bypassCSP: true });

  it('axe-core finds nothing either, and nothing is wider than the screen', async () => {
    const sees = async (name: string) => {
      expect(await findings(s.page), name).toEqual([]);
      expect(await s.page.evaluate(() => document.documentElement.scrollWidth), name).toBe(390);
    };
    await sees('empty');
    await s.asked('hello');
    await sees('answer');
    await s.press('Look inside');
    await sees('inside');
    await s.press('Open the list of conversations');
    await s.list().getByRole('link', { name: 'hello' }).waitFor();
    await sees('list');
    await s.press('Settings');
    for (const tab of ['Prompt', 'Sampling', 'Output and tools', 'Page', 'Data']) {
      await s.tab(tab);
      await sees(tab);
    }
    await s.page.keyboard.press('Escape');
    await s.page.goto(`${s.url}/#/status`);
    await s.page.locator('.stack').waitFor();
    await sees('status');
  });

  it('nothing moves where no motion is wanted', async () => {
    expect(await s.page.evaluate(() => getComputedStyle(document.querySelector('.sidebar')!).transitionDuration)).toMatch(/^0s/);
  });
});
