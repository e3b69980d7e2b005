import { describe, expect, it } from 'vitest';
import { bytes, duration, fill, languageOf, number, percent, tables } from '../src/i18n';

// The braces of each text, by its path: a translation that loses one says something else.
function braces(value: unknown, path = ''): Record<string, string> {
  if (typeof value === 'string') return { [path]: [...value.matchAll(/\{\w+\}/g)].map((m) => m[0]).sort().join() };
  return Object.assign({}, ...Object.entries(value as object).filter(([k]) => k !== 'settingHelp').map(([k, v]) => braces(v, `${path}.${k}`)));
}

function leaves(value: object, path = ''): [string, string][] {
  return Object.entries(value).flatMap(([k, v]): [string, string][] => (typeof v === 'string' ? [[`${path}.${k}`, v]] : leaves(v as object, `${path}.${k}`)));
}

const SAME = new Set(['Status', 'JSON', 'Regex', '{detail}', '{text}, {p}', 'Phase']);

describe('the words', () => {
  it.each(['de', 'zh'] as const)('of %s fill in the same values', (language) => {
    expect(braces(tables[language])).toEqual(braces(tables.en));
  });
  it.each(['de', 'zh'] as const)('of %s are all there', (language) => {
    for (const [path, text] of leaves(tables[language])) expect(text.trim(), path).not.toBe('');
  });
  it.each(['de', 'zh'] as const)('of %s are its own, but for a few that are the same', (language) => {
    const same = leaves(tables[language]).filter(([path, text]) => new Map(leaves(tables.en)).get(path) === text && /[a-z]{3}/i.test(text));
    expect(same.map(([, text]) => text).filter((t) => !SAME.has(t))).toEqual([]);
  });
  it('explain the same settings', () => {
    expect(Object.keys(tables.de.settingHelp)).toEqual(Object.keys(tables.zh.settingHelp));
  });
  it('fill in text as text', () => {
    expect(fill('{n} of {all}, {other}', { n: '{all}', all: 3 })).toBe('{all} of 3, {other}');
  });
  it('follow the browser', () => {
    expect([languageOf(['fr', 'de-AT', 'en']), languageOf(['fr']), languageOf([])]).toEqual(['de', 'en', 'en']);
  });
  it('write numbers as the language does', () => {
    expect([number(1234, 'en'), number(12.34, 'de'), percent(0.034, 'en'), percent(0.00001, 'de'), percent(0, 'en'), bytes(46e6, 'en'), bytes(5, 'en')]).toEqual(['1,234', '12,3', '3.4%', '<0,1\u00a0%', '0%', '46 MB', '5 B']);
    expect([duration(0.4, 'en'), duration(999, 'en'), duration(1500, 'en'), duration(61_000, 'en'), duration(3_660_000, 'en')]).toEqual(['0 ms', '999 ms', '1.5 s', '1 min 1 s', '1 h 1 min']);
  });
});
