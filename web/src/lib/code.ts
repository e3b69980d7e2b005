// Code blocks: colours, and buttons that the page's one listener serves (data-do).
import hljs from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import c from 'highlight.js/lib/languages/c';
import cpp from 'highlight.js/lib/languages/cpp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import go from 'highlight.js/lib/languages/go';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import python from 'highlight.js/lib/languages/python';
import rust from 'highlight.js/lib/languages/rust';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';

const LANGUAGES = { bash, c, cpp, css, diff, go, java, javascript, json, python, rust, sql, typescript, xml, yaml };
for (const [name, language] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, language);

const MAX_COLOURED = 20_000; // characters; more takes longer than a frame
const FOLD_LINES = 40; // longer code is folded to the first lines

export interface CodeWords {
  copy: string;
  wrap: string;
  more: string; // "Show all {n} lines"
}

let words: CodeWords = { copy: 'Copy', wrap: 'Wrap', more: 'Show all {n} lines' };
export function setCodeWords(value: CodeWords): void {
  words = value;
}

export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? c);
}

export function coloured(text: string, language: string): string {
  if (text.length > MAX_COLOURED || !language || !hljs.getLanguage(language)) return escaped(text);
  return hljs.highlight(text, { language, ignoreIllegals: true }).value;
}

export function codeBlock(text: string, info: string): string {
  const language = (info.trim().split(/\s+/)[0] ?? '').toLowerCase().slice(0, 30);
  const lines = text.split('\n').length;
  const folds = lines > FOLD_LINES;
  const button = (action: string, label: string) => `<button type="button" class="quiet" data-do="${action}">${escaped(label)}</button>`;
  const more = folds ? `<button type="button" class="more" data-do="unfold">${escaped(words.more.replace('{n}', String(lines)))}</button>` : '';
  return (
    `<div class="code${folds ? ' folded' : ''}"><div class="code-head"><span class="language">${escaped(language)}</span>` +
    `${button('wrap', words.wrap)}${button('copy', words.copy)}</div>` +
    `<pre tabindex="0"><code>${coloured(text, language)}</code></pre>${more}</div>`
  );
}

// A click on such a button inside of `root`. Returns what was copied, where it was that.
export async function codeClick(event: Event): Promise<string | null> {
  const button = (event.target as Element).closest<HTMLElement>('[data-do]');
  const block = button?.closest('.code');
  if (!button || !block) return null;
  if (button.dataset['do'] === 'wrap') button.setAttribute('aria-pressed', String(block.classList.toggle('wrapped')));
  if (button.dataset['do'] === 'unfold') block.classList.remove('folded');
  if (button.dataset['do'] !== 'copy') return null;
  return block.querySelector('code')?.textContent ?? '';
}
