// The words of the page in each language, and numbers, times and sizes as it writes them.
import { de } from './de';
import { en } from './en';
import { zh } from './zh';

export type Words = typeof en;
export type Language = 'en' | 'de' | 'zh';

export const tables: Record<Language, Words> = { en, de, zh };
export const LANGUAGES: [Language, string][] = [['en', 'English'], ['de', 'Deutsch'], ['zh', '中文']];

export function isLanguage(value: unknown): value is Language {
  return value === 'en' || value === 'de' || value === 'zh';
}

// The first of the browser's languages that there is a table for.
export function languageOf(wanted: readonly string[]): Language {
  const codes = wanted.map((l) => l.slice(0, 2).toLowerCase());
  return codes.find(isLanguage) ?? 'en';
}

// "{n} of {all}" with its values. What a value holds is text, braces and all.
export function fill(pattern: string, values: Record<string, unknown>): string {
  return pattern.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

// Formats are kept: to make one takes longer than to use it a hundred times.
const formats = new Map<string, Intl.NumberFormat>();
function formatted(value: number, language: Language, options: Intl.NumberFormatOptions): string {
  const key = `${language} ${options.style ?? ''} ${options.minimumFractionDigits ?? ''} ${options.maximumFractionDigits ?? ''}`;
  const format = formats.get(key) ?? new Intl.NumberFormat(language, options);
  formats.set(key, format);
  return format.format(value);
}

export function number(value: number, language: Language): string {
  const digits = Math.abs(value) < 100 && !Number.isInteger(value) ? 1 : 0;
  return formatted(value, language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function percent(share: number, language: Language): string {
  if (share > 0 && share < 0.001) return `<${percent(0.001, language)}`;
  return formatted(share, language, { style: 'percent', maximumFractionDigits: share > 0 && share < 0.1 ? 1 : 0 });
}

export function bytes(count: number, language: Language): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let size = count;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${number(size, language)} ${units[unit]}`;
}

export function duration(ms: number, language: Language): string {
  if (ms < 1000) return `${number(Math.round(ms), language)} ms`;
  if (ms < 60_000) return `${number(ms / 1000, language)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function clock(at: number, language: Language): string {
  return new Date(at).toLocaleTimeString(language);
}
