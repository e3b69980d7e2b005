// A conversation as a tree: every version of a message is a child of what it answers, and one path through it is shown.
// Functions return new values and never change what they get.
import { newId } from './ids';
import type { ChatSettings, Conversation, Meta, Node } from './types';

const ROOT = '';
const key = (parent: string | null): string => parent ?? ROOT;

export function newConversation(settings: ChatSettings, now = Date.now(), id = newId()): Conversation {
  const meta: Meta = {
    id, title: '', renamed: false, created: now, updated: now, pinned: false, selected: {}, settings: structuredClone(settings),
  };
  return { meta, nodes: new Map() };
}

type Index = Map<string, Node[]>;
const indexes = new WeakMap<Map<string, Node>, Index>();

// The children of each node, oldest first. Kept as long as the map of nodes is the same one.
function indexOf(nodes: Map<string, Node>): Index {
  const known = indexes.get(nodes);
  if (known) return known;
  const index: Index = new Map();
  for (const node of nodes.values()) {
    const list = index.get(key(node.parent));
    if (list) list.push(node);
    else index.set(key(node.parent), [node]);
  }
  for (const list of index.values()) list.sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
  indexes.set(nodes, index);
  return index;
}

export function children(conversation: Conversation, parent: string | null): Node[] {
  return indexOf(conversation.nodes).get(key(parent)) ?? [];
}

// The messages that are shown, first to last: at each fork the selected child, else the newest.
export function path(conversation: Conversation): Node[] {
  const shown: Node[] = [];
  const seen = new Set<string>(); // a damaged import must not hang the page
  let parent: string | null = null;
  for (;;) {
    const options: Node[] = children(conversation, parent);
    const wanted: string | undefined = conversation.meta.selected[key(parent)];
    const next: Node | undefined = options.find((n) => n.id === wanted) ?? options.at(-1);
    if (!next || seen.has(next.id)) return shown;
    seen.add(next.id);
    shown.push(next);
    parent = next.id;
  }
}

// The messages from the first one to `id`, whether they are shown or not.
export function pathTo(conversation: Conversation, id: string): Node[] {
  const found: Node[] = [];
  const seen = new Set<string>();
  for (let node = conversation.nodes.get(id); node && !seen.has(node.id); node = parentOf(conversation, node)) {
    seen.add(node.id);
    found.unshift(node);
  }
  return found;
}

function parentOf(conversation: Conversation, node: Node): Node | undefined {
  return node.parent === null ? undefined : conversation.nodes.get(node.parent);
}

// The versions of a message, itself among them.
export function versions(conversation: Conversation, node: Node): Node[] {
  return children(conversation, node.parent).filter((other) => other.role === node.role);
}

function withMeta(conversation: Conversation, change: Partial<Meta>): Conversation {
  return { ...conversation, meta: { ...conversation.meta, ...change } };
}

// Adds a message, or puts a newer state of it in place, and shows a new one.
export function putNode(conversation: Conversation, node: Node): Conversation {
  const isNew = !conversation.nodes.has(node.id);
  const nodes = new Map(conversation.nodes).set(node.id, node);
  if (!isNew) return { ...conversation, nodes };
  const selected = { ...conversation.meta.selected, [key(node.parent)]: node.id };
  return { nodes, meta: { ...conversation.meta, selected, updated: Math.max(conversation.meta.updated, node.created) } };
}

export function select(conversation: Conversation, id: string): Conversation {
  const selected = { ...conversation.meta.selected };
  for (const node of pathTo(conversation, id)) selected[key(node.parent)] = node.id;
  return withMeta(conversation, { selected });
}

// The version `by` steps away from this one is shown; at the ends nothing changes.
export function step(conversation: Conversation, node: Node, by: number): Conversation {
  const all = versions(conversation, node);
  const other = all[all.findIndex((n) => n.id === node.id) + by];
  return other ? withMeta(conversation, { selected: { ...conversation.meta.selected, [key(node.parent)]: other.id } }) : conversation;
}

// A message and all that follows it, whichever version.
export function subtree(conversation: Conversation, id: string): Node[] {
  const found: Node[] = [];
  const seen = new Set<string>();
  const open = [conversation.nodes.get(id)];
  for (let node = open.pop(); node; node = open.pop()) {
    if (seen.has(node.id)) continue;
    seen.add(node.id);
    found.push(node);
    open.push(...children(conversation, node.id));
  }
  return found;
}

export function removeNodes(conversation: Conversation, gone: Node[]): Conversation {
  const nodes = new Map(conversation.nodes);
  for (const node of gone) nodes.delete(node.id);
  return { ...conversation, nodes };
}

// A conversation of its own with the messages up to `id`.
export function fork(conversation: Conversation, id: string, now = Date.now()): Conversation {
  const copy = newConversation(conversation.meta.settings, now);
  copy.meta.title = conversation.meta.title;
  copy.meta.renamed = conversation.meta.renamed;
  let parent: string | null = null;
  for (const node of pathTo(conversation, id)) {
    const twin: Node = { ...structuredClone(node), id: newId(), parent, partial: undefined };
    copy.nodes.set(twin.id, twin);
    parent = twin.id;
  }
  return copy;
}

export function lastOf(shown: Node[], role: Node['role']): Node | undefined {
  return shown.findLast((node) => node.role === role);
}
