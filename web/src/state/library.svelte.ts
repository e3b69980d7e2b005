// The conversations: which there are, which one is open, and what is written where. Every change goes to memory at once
// and to the store behind it; other tabs are told.
import { putRescued, saysMore, takeRescued } from '../lib/rescue';
import { SearchIndex, type Hit } from '../lib/search';
import { MemoryStore, openStore, type Store } from '../lib/store';
import { path, putNode, removeNodes, select, step, subtree } from '../lib/tree';
import type { Conversation, Meta, Node } from '../lib/types';

const UNDO_MS = 60_000; // after that a deleted conversation goes for good when the page starts
const WRITING_MS = 3000; // without a word, another tab's answer was broken off

interface Notice {
  id: string; // of the conversation
  writes?: string; // the message that the other tab writes
}

export class Library {
  metas = $state.raw<Meta[]>([]);
  current = $state.raw<Conversation | null>(null);
  isPrivate = $state(false); // the open conversation, or the next one, is kept nowhere
  unsaved = $state(false); // the store has refused: what is written now is lost with the page
  ready = $state(false);
  elsewhere = $state.raw<ReadonlyMap<string, number>>(new Map()); // messages that other tabs write, and when they last said so
  readonly shown: Node[] = $derived(this.current ? path(this.current) : []);

  #disk: Store = new MemoryStore();
  #memory = new MemoryStore();
  #privateIds = new Set<string>();
  #held = new Map<string, Conversation>(); // those that an answer is written to
  #mine = new Set<string>(); // messages that this tab writes, or that are on their way to the store
  #index = new SearchIndex();
  #channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('glimt') : null;

  async start(): Promise<void> {
    try {
      this.#disk = await openStore();
      await this.#disk.purge(Date.now() - UNDO_MS);
      await this.#takeRescued();
    } catch {
      this.unsaved = true;
    }
    if (this.#channel) this.#channel.onmessage = (event: MessageEvent<Notice>) => void this.#heard(event.data);
    await this.refreshList();
    this.ready = true;
  }

  // The page goes away: what is not in the store yet waits elsewhere for its next start.
  rescue(): void {
    const open = new Set([...this.#held.values(), ...(this.current ? [this.current] : [])]);
    for (const { meta, nodes } of open) {
      if (this.#privateIds.has(meta.id)) continue;
      for (const id of this.#mine) {
        const node = nodes.get(id);
        if (node) putRescued({ meta, node });
      }
    }
  }

  async #takeRescued(): Promise<void> {
    for (const { meta, node } of takeRescued()) {
      const stored = await this.#disk.load(meta.id);
      if (saysMore(node, stored?.nodes.get(node.id))) await this.#disk.putNode(meta, node);
    }
  }

  async refreshList(): Promise<void> {
    const kept = await this.#disk.list().catch(() => []);
    this.metas = kept.sort((a, b) => b.updated - a.updated);
  }

  // False: there is no such conversation.
  async open(id: string): Promise<boolean> {
    if (this.current?.meta.id === id) return true;
    const found = this.#held.get(id) ?? (await this.#storeOf(id).load(id).catch(() => null));
    if (!found) return false;
    this.current = found;
    this.isPrivate = this.#privateIds.has(id);
    return true;
  }

  close(asPrivate = false): void {
    this.current = null;
    this.isPrivate = asPrivate;
  }

  // Adds a whole conversation and keeps it.
  async add(conversation: Conversation, open: boolean): Promise<void> {
    if (open) this.adopt(conversation);
    await this.#write(conversation.meta.id, (s) => s.putConversation(conversation));
    await this.refreshList();
  }

  // A new conversation is the open one; it is stored with its first message.
  adopt(conversation: Conversation): void {
    if (this.isPrivate) this.#privateIds.add(conversation.meta.id);
    this.current = conversation;
  }

  get(id: string): Conversation | undefined {
    return this.current?.meta.id === id ? this.current : this.#held.get(id);
  }

  // While an answer is written its conversation stays in memory, whichever is open.
  hold(id: string): void {
    const conversation = this.get(id);
    if (conversation) this.#held.set(id, conversation);
  }

  release(id: string): void {
    this.#held.delete(id);
  }

  #change(id: string, change: (c: Conversation) => Conversation): Conversation | undefined {
    const before = this.get(id);
    if (!before) return undefined;
    const after = change(before);
    if (this.#held.has(id)) this.#held.set(id, after);
    if (this.current?.meta.id === id) this.current = after;
    return after;
  }

  // Puts a message, new or brought further. `writing`: more of it comes.
  async put(id: string, node: Node, writing = false): Promise<void> {
    const after = this.#change(id, (c) => putNode(c, node));
    if (!after) return;
    const isNew = !this.metas.some((m) => m.id === id) && !this.#privateIds.has(id);
    this.#mine.add(node.id);
    await this.#write(id, (s) => s.putNode(after.meta, node), writing ? node.id : undefined);
    if (!writing) this.#mine.delete(node.id);
    if (isNew) await this.refreshList();
  }

  async patch(id: string, change: Partial<Omit<Meta, 'id'>>): Promise<void> {
    this.#change(id, (c) => ({ ...c, meta: { ...c.meta, ...change } }));
    this.metas = this.metas.map((m) => (m.id === id ? { ...m, ...change } : m));
    await this.#write(id, (s) => s.patchMeta(id, change));
  }

  async touch(id: string): Promise<void> {
    await this.patch(id, { updated: Date.now() });
    this.metas = [...this.metas].sort((a, b) => b.updated - a.updated);
  }

  async step(node: Node, by: number): Promise<void> {
    if (this.current) await this.#showOther(this.current.meta.id, (c) => step(c, node, by));
  }

  async select(id: string): Promise<void> {
    if (this.current) await this.#showOther(this.current.meta.id, (c) => select(c, id));
  }

  async #showOther(id: string, change: (c: Conversation) => Conversation): Promise<void> {
    const after = this.#change(id, change);
    if (after) await this.#write(id, (s) => s.patchMeta(id, { selected: after.meta.selected }));
  }

  // Removes a message with all that follows it. Returns what brings it back.
  async removeMessage(id: string): Promise<() => Promise<void>> {
    const conversation = this.current;
    if (!conversation) return async () => {};
    const gone = subtree(conversation, id);
    const key = conversation.meta.id;
    this.#change(key, (c) => removeNodes(c, gone));
    await this.#write(key, (s) => s.removeNodes(key, gone.map((n) => n.id)));
    return async () => {
      for (const node of gone) await this.put(key, node);
      await this.#showOther(key, (c) => select(c, id));
    };
  }

  async remove(id: string): Promise<() => Promise<void>> {
    if (this.current?.meta.id === id) this.close();
    await this.patch(id, { deleted: Date.now() });
    this.#index.drop(id);
    this.metas = this.metas.filter((m) => m.id !== id);
    return async () => {
      await this.#write(id, (s) => s.patchMeta(id, { deleted: undefined }));
      await this.refreshList();
    };
  }

  async removeAll(): Promise<void> {
    this.close();
    await this.#disk.clear().catch(() => {});
    await this.refreshList();
    this.#channel?.postMessage({ id: '' } satisfies Notice);
  }

  async all(): Promise<Conversation[]> {
    const found = await Promise.all(this.metas.map((m) => this.#disk.load(m.id)));
    return found.filter((c) => c !== null);
  }

  // Full text; the first search reads every conversation once.
  async search(query: string): Promise<Hit[]> {
    for (const meta of this.metas) {
      if (query.trim() === '' || !this.#index.isStale(meta)) continue;
      const conversation = await this.#disk.load(meta.id).catch(() => null);
      if (conversation) this.#index.put(conversation);
    }
    return this.#index.find(query, this.metas);
  }

  #storeOf(id: string): Store {
    return this.#privateIds.has(id) ? this.#memory : this.#disk;
  }

  async #write(id: string, write: (s: Store) => Promise<void>, writes?: string): Promise<void> {
    try {
      await write(this.#storeOf(id));
    } catch {
      this.unsaved = true; // full, or forbidden
      return;
    }
    if (!this.#privateIds.has(id)) this.#channel?.postMessage({ id, ...(writes ? { writes } : {}) } satisfies Notice);
  }

  // Another tab has written. What this tab shows of the conversation stays selected; what it writes itself goes on.
  async #heard({ id, writes }: Notice): Promise<void> {
    if (writes) this.elsewhere = new Map(this.elsewhere).set(writes, Date.now());
    if (!writes || !this.metas.some((m) => m.id === id)) await this.refreshList();
    const mine = this.get(id);
    if (!mine) return;
    const stored = await this.#disk.load(id).catch(() => null);
    if (!stored) return;
    this.#change(id, (c) => merged(c, stored, this.#mine));
  }

  isWrittenElsewhere(nodeId: string, now: number): boolean {
    return now - (this.elsewhere.get(nodeId) ?? 0) < WRITING_MS;
  }
}

// `stored` with what only this tab knows: its own view, and the messages of `unsaved`.
function merged(mine: Conversation, stored: Conversation, unsaved: ReadonlySet<string>): Conversation {
  const nodes = new Map(stored.nodes);
  for (const [id, node] of mine.nodes) if (unsaved.has(id)) nodes.set(id, node);
  return { nodes, meta: { ...stored.meta, selected: { ...stored.meta.selected, ...mine.meta.selected } } };
}

export const library = new Library();
