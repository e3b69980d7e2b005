// Messages that a page had not yet written to its database when it went away. Only localStorage is written at once, so
// they wait there for the page's next start.
import type { Meta, Node } from './types';

const PREFIX = 'glimt-rescue-';

export interface Rescued {
  meta: Meta;
  node: Node;
}

export function putRescued(rescued: Rescued, storage: Storage = localStorage): void {
  const { meta, node } = rescued;
  const { tokens: _, ...shorter } = node; // the details are most of it
  for (const kept of [node, shorter]) {
    try {
      storage.setItem(PREFIX + node.id, JSON.stringify({ meta, node: kept }));
      return;
    } catch {
      // Full, or forbidden.
    }
  }
}

// Takes out all that there is.
export function takeRescued(storage: Storage = localStorage): Rescued[] {
  const found: Rescued[] = [];
  const names = Array.from({ length: storage.length }, (_, i) => storage.key(i) ?? '').filter((n) => n.startsWith(PREFIX));
  for (const name of names) {
    try {
      const rescued = JSON.parse(storage.getItem(name) ?? '') as Rescued;
      if (typeof rescued.meta.id === 'string' && typeof rescued.node.id === 'string') found.push(rescued);
    } catch {
      // Damaged: there is nothing to save.
    }
    storage.removeItem(name);
  }
  return found;
}

// Whether a rescued state of a message says more than the stored one.
export function saysMore(rescued: Node, stored: Node | undefined): boolean {
  if (!stored) return true;
  if (!stored.partial) return false;
  const length = (n: Node) => n.content.length + (n.thinking ?? '').length + (n.calls ?? []).reduce((all, c) => all + c.args.length, 0);
  return length(rescued) > length(stored);
}
