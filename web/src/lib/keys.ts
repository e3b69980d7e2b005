// What keys do. The list at "?" is made from this table.

export type Action =
  | 'send' | 'newline' | 'stop' | 'new' | 'search' | 'previous' | 'next' | 'edit' | 'copy' | 'thinking' | 'inside' | 'settings' | 'help' | 'focus';

export interface KeyRow {
  action: Action;
  keys: string[]; // as shown: "Alt+N"
  local?: true; // the composer handles it itself
}

export const KEYS: KeyRow[] = [
  { action: 'send', keys: ['Enter'], local: true },
  { action: 'newline', keys: ['Shift+Enter'], local: true },
  { action: 'stop', keys: ['Escape'] },
  { action: 'new', keys: ['Alt+N'] },
  { action: 'search', keys: ['Alt+K', '/'] },
  { action: 'previous', keys: ['Alt+ArrowUp'] },
  { action: 'next', keys: ['Alt+ArrowDown'] },
  { action: 'edit', keys: ['Alt+E'] },
  { action: 'copy', keys: ['Alt+C'] },
  { action: 'thinking', keys: ['Alt+T'] },
  { action: 'inside', keys: ['Alt+I'] },
  { action: 'settings', keys: ['Alt+,'] },
  { action: 'focus', keys: ['Alt+M'] },
  { action: 'help', keys: ['?'] },
];

// Keys with Alt type other characters on some keyboards ("Alt+N" is "˜" on a Mac): the place on the keyboard counts then.
function nameOf(event: KeyboardEvent): string {
  if (event.altKey && /^Key[A-Z]$/.test(event.code)) return event.code.slice(3);
  if (event.altKey && event.code === 'Comma') return ',';
  return event.key.length === 1 ? event.key.toUpperCase() : event.key;
}

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

// Characters without a modifier only count outside of text fields.
export function actionOf(event: KeyboardEvent): Action | null {
  if (event.ctrlKey || event.metaKey || event.isComposing) return null;
  const name = (event.altKey ? 'Alt+' : '') + nameOf(event);
  const row = KEYS.find((k) => !k.local && k.keys.includes(name));
  if (!row) return null;
  if (!event.altKey && name.length === 1 && typing(event.target)) return null;
  return row.action;
}
