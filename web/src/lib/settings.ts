// What can be set about answers: the user's values over the server's defaults.
import { schemaFault, toolsFault } from './checks';
import type { ServerSetting, ServerSettings } from './server_types';
import type { ChatSettings, FormKind } from './types';

export const EMPTY_SETTINGS: ChatSettings = {
  system: '', thinking: true, thinkingBudget: 0, numbers: {}, stop: [], form: 'free', schema: '', regex: '', tools: '',
};

// What any OpenAI server knows; for a server that does not tell.
export const PLAIN_SETTINGS: ServerSettings = {
  settings: [
    { name: 'temperature', field: 'temperature', type: 'number', min: 0, max: 2, default: null, group: 'sampling' },
    { name: 'top_p', field: 'top_p', type: 'number', min: 0, max: 1, default: null, group: 'sampling' },
    { name: 'presence_penalty', field: 'presence_penalty', type: 'number', min: -2, max: 2, default: null, group: 'sampling' },
    { name: 'frequency_penalty', field: 'frequency_penalty', type: 'number', min: -2, max: 2, default: null, group: 'sampling' },
    { name: 'seed', field: 'seed', type: 'integer', min: 0, default: null, group: 'sampling' },
    { name: 'max_tokens', field: 'max_tokens', type: 'integer', min: 1, default: null, group: 'answer' },
  ],
  features: [],
};

// Numbers that stand in a form of their own.
const ELSEWHERE = new Set(['thinking_budget', 'top_logprobs']);

export function numberSettings(server: ServerSettings): ServerSetting[] {
  return server.settings.filter((s) => (s.type === 'number' || s.type === 'integer') && !ELSEWHERE.has(s.name));
}

export type NumberFault = 'number' | 'whole' | 'range';

// What is wrong with a typed number; null if nothing is.
export function faultOf(setting: ServerSetting, value: number): NumberFault | null {
  if (!Number.isFinite(value)) return 'number';
  if (setting.type === 'integer' && !Number.isInteger(value)) return 'whole';
  const { min, max } = setting;
  if (min !== undefined && (value < min || (setting.min_excluded && value === min))) return 'range';
  if (max !== undefined && value > max) return 'range';
  return null;
}

// A slider is of use only where the range is one that a hand can meet.
export function sliderOf(setting: ServerSetting): { min: number; max: number; step: number } | null {
  const { min, max } = setting;
  if (min === undefined || max === undefined) return null;
  const top = setting.name === 'temperature' ? Math.min(max, 2) : max;
  if (top - min > 4) return null;
  return { min, max: top, step: 0.01 };
}

export function withNumber(settings: ChatSettings, name: string, value: number | undefined): ChatSettings {
  const numbers = { ...settings.numbers };
  if (value === undefined) delete numbers[name];
  else numbers[name] = value;
  return { ...settings, numbers };
}

// How many things differ from the defaults, for the mark on the button.
export function changesIn(settings: ChatSettings): number {
  const s = settings;
  const flags = [s.system !== '', !s.thinking, s.thinkingBudget > 0, s.stop.length > 0, s.form !== 'free', s.tools.trim() !== ''];
  return Object.keys(s.numbers).length + flags.filter(Boolean).length;
}

// What came out of storage or an import, made whole; unknown things are left out.
export function settingsFrom(value: unknown): ChatSettings {
  const v = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const text = (name: string) => (typeof v[name] === 'string' ? (v[name] as string) : '');
  const numbers = Object.entries(typeof v['numbers'] === 'object' && v['numbers'] ? v['numbers'] : {});
  const schema = text('schema');
  const usable = (form: unknown) => form === 'json' || form === 'regex' || (form === 'schema' && schemaFault(schema) === null);
  return {
    ...(typeof v['model'] === 'string' && v['model'] ? { model: v['model'] } : {}),
    system: text('system'),
    thinking: v['thinking'] !== false,
    thinkingBudget: typeof v['thinkingBudget'] === 'number' && v['thinkingBudget'] > 0 ? Math.floor(v['thinkingBudget']) : 0,
    numbers: Object.fromEntries(numbers.filter((e): e is [string, number] => Number.isFinite(e[1]))),
    stop: Array.isArray(v['stop']) ? v['stop'].filter((s): s is string => typeof s === 'string' && s !== '') : [],
    form: usable(v['form']) ? (v['form'] as FormKind) : 'free',
    schema,
    regex: text('regex'),
    tools: toolsFault(text('tools')) === null ? text('tools') : '',
  };
}
