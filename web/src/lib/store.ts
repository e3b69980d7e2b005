// Where conversations are kept. Each message is a record of its own and messages are only ever added or brought further
// by the tab that made them, so two tabs in one conversation both keep what they wrote; of a conversation's own fields
// only those that changed are written.
import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import { settingsFrom } from './settings';
import type { Conversation, Meta, Node } from './types';

export interface Store {
  list(): Promise<Meta[]>; // those that are not deleted, in no order
  load(id: string): Promise<Conversation | null>;
  // Writes a message; makes the conversation, or takes back its deletion, where another tab has removed it.
  putNode(meta: Meta, node: Node): Promise<void>;
  patchMeta(id: string, change: Partial<Omit<Meta, 'id'>>): Promise<void>;
  putConversation(conversation: Conversation): Promise<void>;
  removeNodes(id: string, nodes: string[]): Promise<void>;
  purge(deletedBefore: number): Promise<void>; // what was deleted earlier goes for good
  clear(): Promise<void>;
}

interface StoredNode extends Node {
  conversation: string;
}

interface Schema extends DBSchema {
  metas: { key: string; value: Meta };
  nodes: { key: string; value: StoredNode; indexes: { conversation: string } };
}

export async function openStore(name = 'glimt'): Promise<Store> {
  const db = await openDB<Schema>(name, 1, {
    upgrade(fresh) {
      fresh.createObjectStore('metas', { keyPath: 'id' });
      fresh.createObjectStore('nodes', { keyPath: 'id' }).createIndex('conversation', 'conversation');
    },
  });
  return new BrowserStore(db);
}

class BrowserStore implements Store {
  constructor(private readonly db: IDBPDatabase<Schema>) {}

  async list(): Promise<Meta[]> {
    return (await this.db.getAll('metas')).filter((m) => !m.deleted).map(whole);
  }

  async load(id: string): Promise<Conversation | null> {
    const tx = this.db.transaction(['metas', 'nodes']);
    const [meta, nodes] = await Promise.all([
      tx.objectStore('metas').get(id),
      tx.objectStore('nodes').index('conversation').getAll(id),
    ]);
    if (!meta || meta.deleted) return null;
    return { meta: whole(meta), nodes: new Map(nodes.map((n) => [n.id, plain(n)])) };
  }

  async putNode(meta: Meta, node: Node): Promise<void> {
    const tx = this.db.transaction(['metas', 'nodes'], 'readwrite');
    const metas = tx.objectStore('metas');
    const known = await metas.get(meta.id);
    const kept = known ? { ...known, deleted: undefined, updated: Math.max(known.updated, meta.updated) } : meta;
    await Promise.all([metas.put(kept), tx.objectStore('nodes').put({ ...node, conversation: meta.id }), tx.done]);
  }

  async patchMeta(id: string, change: Partial<Omit<Meta, 'id'>>): Promise<void> {
    const tx = this.db.transaction('metas', 'readwrite');
    const known = await tx.store.get(id);
    if (known) await tx.store.put({ ...known, ...change });
    await tx.done;
  }

  async putConversation({ meta, nodes }: Conversation): Promise<void> {
    const tx = this.db.transaction(['metas', 'nodes'], 'readwrite');
    await tx.objectStore('metas').put(meta);
    for (const node of nodes.values()) await tx.objectStore('nodes').put({ ...node, conversation: meta.id });
    await tx.done;
  }

  async removeNodes(_: string, nodes: string[]): Promise<void> {
    const tx = this.db.transaction('nodes', 'readwrite');
    for (const id of nodes) await tx.store.delete(id);
    await tx.done;
  }

  async purge(deletedBefore: number): Promise<void> {
    const tx = this.db.transaction(['metas', 'nodes'], 'readwrite');
    for (const meta of await tx.objectStore('metas').getAll()) {
      if (!meta.deleted || meta.deleted > deletedBefore) continue;
      await tx.objectStore('metas').delete(meta.id);
      for (const key of await tx.objectStore('nodes').index('conversation').getAllKeys(meta.id)) {
        await tx.objectStore('nodes').delete(key);
      }
    }
    await tx.done;
  }

  async clear(): Promise<void> {
    const tx = this.db.transaction(['metas', 'nodes'], 'readwrite');
    await Promise.all([tx.objectStore('metas').clear(), tx.objectStore('nodes').clear(), tx.done]);
  }
}

function whole(meta: Meta): Meta {
  return { ...meta, selected: meta.selected ?? {}, settings: settingsFrom(meta.settings) };
}

function plain({ conversation: _, ...node }: StoredNode): Node {
  return node;
}

// Keeps nothing beyond the page: for private conversations, and where the browser has no storage.
export class MemoryStore implements Store {
  #all = new Map<string, Conversation>();

  async list(): Promise<Meta[]> {
    return [...this.#all.values()].map((c) => c.meta).filter((m) => !m.deleted);
  }

  async load(id: string): Promise<Conversation | null> {
    const found = this.#all.get(id);
    return found && !found.meta.deleted ? { meta: found.meta, nodes: new Map(found.nodes) } : null;
  }

  async putNode(meta: Meta, node: Node): Promise<void> {
    const known = this.#all.get(meta.id);
    const kept = known ? { ...known.meta, deleted: undefined, updated: Math.max(known.meta.updated, meta.updated) } : meta;
    this.#all.set(meta.id, { meta: kept, nodes: new Map(known?.nodes).set(node.id, node) });
  }

  async patchMeta(id: string, change: Partial<Omit<Meta, 'id'>>): Promise<void> {
    const known = this.#all.get(id);
    if (known) this.#all.set(id, { ...known, meta: { ...known.meta, ...change } });
  }

  async putConversation(conversation: Conversation): Promise<void> {
    this.#all.set(conversation.meta.id, { ...conversation, nodes: new Map(conversation.nodes) });
  }

  async removeNodes(id: string, nodes: string[]): Promise<void> {
    for (const node of nodes) this.#all.get(id)?.nodes.delete(node);
  }

  async purge(deletedBefore: number): Promise<void> {
    for (const { meta } of this.#all.values()) if (meta.deleted && meta.deleted <= deletedBefore) this.#all.delete(meta.id);
  }

  async clear(): Promise<void> {
    this.#all.clear();
  }
}
