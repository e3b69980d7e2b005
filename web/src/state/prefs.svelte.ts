// What the user chose for the page itself, kept in this browser.
import { isLanguage, languageOf, tables, type Language, type Words } from '../i18n';
import { EMPTY_SETTINGS, settingsFrom } from '../lib/settings';
import type { ChatSettings, Preset } from '../lib/types';

export type Theme = 'system' | 'light' | 'dark';

interface Kept {
  theme?: Theme;
  language?: Language | 'system';
  details?: boolean;
  enterSends?: boolean;
  key?: string;
  defaults?: unknown;
  presets?: { name?: unknown; settings?: unknown }[];
}

const NAME = 'glimt';

function read(): Kept {
  try {
    const kept = JSON.parse(localStorage.getItem(NAME) ?? '{}') as unknown;
    return typeof kept === 'object' && kept !== null ? kept : {};
  } catch {
    return {}; // no storage, or it was damaged
  }
}

export class Prefs {
  theme = $state<Theme>('system');
  language = $state<Language | 'system'>('system');
  details = $state(true); // ask for the probabilities of tokens
  enterSends = $state(true);
  key = $state(''); // only what the user wanted kept
  defaults = $state.raw<ChatSettings>(EMPTY_SETTINGS); // of new conversations
  presets = $state.raw<Preset[]>([]);

  readonly shownLanguage: Language = $derived(isLanguage(this.language) ? this.language : languageOf(navigator.languages));
  readonly words: Words = $derived(tables[this.shownLanguage]);

  // What another tab has chosen holds here, too: else this tab would write its older state over it.
  constructor() {
    this.#take(read());
    addEventListener('storage', (event) => { if (event.key === NAME) this.#take(read()); });
  }

  #take(kept: Kept): void {
    this.theme = kept.theme ?? 'system';
    this.language = kept.language ?? 'system';
    this.details = kept.details ?? true;
    this.enterSends = kept.enterSends ?? true;
    this.key = kept.key ?? '';
    this.defaults = settingsFrom(kept.defaults ?? EMPTY_SETTINGS);
    this.presets = presetsFrom(kept.presets);
  }

  save(): void {
    const { theme, language, details, enterSends, key, defaults, presets } = this;
    try {
      localStorage.setItem(NAME, JSON.stringify({ theme, language, details, enterSends, defaults, presets, ...(key ? { key } : {}) }));
    } catch {
      // Without storage the choice holds as long as the page.
    }
  }
}

function presetsFrom(value: Kept['presets']): Preset[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((p) => (typeof p?.name === 'string' ? [{ name: p.name, settings: settingsFrom(p.settings) }] : []));
}

export const prefs = new Prefs();
