// Full text search over conversations: every word must occur, in the title or in any message; accents and case do not
// count. The folded text of a conversation is kept until it changes.
import type { Conversation, Meta, Node } from './types';

export function folded(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}+/gu, '').toLowerCase();
}

export interface Hit {
  meta: Meta;
  snippet: string; // around the first word in a message; empty where only the title has it
}

interface Entry {
  updated: number;
  title: string;
  text: string; // folded
  plain: string; // as it was, of the same messages
}

function textOf(node: Node): string {
  const files = (node.attachments ?? []).map((a) => `${a.name}\n${a.text}`);
  const calls = (node.calls ?? []).map((c) => `${c.name} ${c.args}`);
  return [node.content, node.thinking ?? '', ...files, ...calls].join('\n');
}

export class SearchIndex {
  #entries = new Map<string, Entry>();

  put(conversation: Conversation): void {
    const plain = [...conversation.nodes.values()].map(textOf).join('\n');
    const { id, updated, title } = conversation.meta;
    this.#entries.set(id, { updated, title: folded(title), text: folded(plain), plain });
  }

  drop(id: string): void {
    this.#entries.delete(id);
  }

  // Whether the texts of this conversation have to be read again.
  isStale(meta: Meta): boolean {
    const known = this.#entries.get(meta.id);
    return !known || known.updated !== meta.updated;
  }

  // In the order of `metas`.
  find(query: string, metas: Meta[]): Hit[] {
    const words = folded(query).split(/\s+/).filter((w) => w !== '');
    if (words.length === 0) return metas.map((meta) => ({ meta, snippet: '' }));
    const hits: Hit[] = [];
    for (const meta of metas) {
      const entry = this.#entries.get(meta.id);
      const title = folded(meta.title);
      const text = entry?.text ?? '';
      if (!words.every((w) => title.includes(w) || text.includes(w))) continue;
      const first = words.find((w) => text.includes(w));
      hits.push({ meta, snippet: entry && first ? snippetOf(entry, first) : '' });
    }
    return hits;
  }
}

// Folding changes lengths only where there are accents, so the place in the plain text is near the one in the folded.
function snippetOf(entry: Entry, word: string): string {
  const at = entry.text.indexOf(word);
  const from = Math.max(0, at - 30);
  const piece = entry.plain.slice(from, at + word.length + 60).replace(/\s+/g, ' ').trim();
  return `${from > 0 ? '…' : ''}${piece}…`;
}
