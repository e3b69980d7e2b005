// A conversation's title, from what was said first.
const LONGEST = 60;

export function titleOf(text: string): string {
  const line = text
    .replace(/```[^\n]*\n?/g, ' ')
    .replace(/^[\s#>*\-+]+/, '')
    .replace(/[*_`~]+/g, '')
    .split('\n')
    .map((l) => l.trim())
    .find((l) => l !== '');
  if (!line) return '';
  const words = line.replace(/\s+/g, ' ');
  const letters = Array.from(words);
  if (letters.length <= LONGEST) return words;
  const cut = letters.slice(0, LONGEST).join('');
  const space = cut.lastIndexOf(' ');
  return `${(space > LONGEST / 2 ? cut.slice(0, space) : cut).trimEnd()}…`;
}

export type Age = 'pinned' | 'today' | 'yesterday' | 'week' | 'month' | 'older';

// Under which heading of the list a conversation stands. Days change at local midnight.
export function ageOf(updated: number, pinned: boolean, now = Date.now()): Age {
  if (pinned) return 'pinned';
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const day = 24 * 3600 * 1000;
  if (updated >= midnight) return 'today';
  if (updated >= midnight - day) return 'yesterday';
  if (updated >= midnight - 6 * day) return 'week';
  if (updated >= midnight - 29 * day) return 'month';
  return 'older';
}
