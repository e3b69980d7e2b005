// The page in its three languages: no text of it is missing or left in English.
import { describe, expect, it } from 'vitest';
import { tables, type Language } from '../src/i18n';
import { chromiumPath } from './browser';
import { scene } from './scene';
import { states } from './states';

// Names and words that stay as they are in any language.
const FOREIGN = /glimt|CPU, avx512, 2 threads|demo|secret|JSON|Markdown|API|DRY|HTTP|Enter|Ctrl|Esc|Alt|Shift|Rust|title|link|note|quoted|English|Deutsch|\b\w+\.(txt|png)\b|tokens?|the queue is full|v1|loading|ms|KB|MB|GB|min/gi;

// What people see or hear: texts and names of what is shown. Code, keys and names of settings are no words.
const texts = () => {
  const found: string[] = [];
  for (const e of document.querySelectorAll<HTMLElement>('body *')) {
    if (!e.checkVisibility({ visibilityProperty: true }) || e.closest('code, pre, kbd, math, .language, .token, .sr-only, input[type=range], [lang]:not(html)')) continue;
    for (const name of ['aria-label', 'title', 'placeholder']) found.push(e.getAttribute(name) ?? '');
    for (const child of e.childNodes) if (child.nodeType === Node.TEXT_NODE) found.push(child.textContent ?? '');
  }
  return found.map((t) => t.trim()).filter((t) => t !== '');
};

describe.skipIf(!chromiumPath).each([['zh', 'zh-CN'], ['de', 'de-DE']] as const)('the page in %s', (language: Language, locale) => {
  const s = scene({ locale });
  const mine = new Set(leaves(tables[language]));
  const english = new Set(leaves(tables.en).filter((t) => !mine.has(t) && /[a-z]{3}/i.test(t)));

  it('has every text in its language', async () => {
    const wrong = new Set<string>();
    for await (const { name, page } of states(s, language)) {
      for (const text of await page.evaluate(texts)) {
        const isForeign = language === 'zh' && /[a-z]{3}/i.test(text.replace(FOREIGN, ''));
        if (english.has(text) || isForeign) wrong.add(`${name}: ${text}`);
      }
    }
    expect([...wrong]).toEqual([]);
    expect(await s.page.evaluate(() => document.documentElement.lang)).toBe(language);
  });
});

function leaves(value: unknown): string[] {
  return typeof value === 'string' ? [value] : Object.values(value as object).flatMap(leaves);
}
