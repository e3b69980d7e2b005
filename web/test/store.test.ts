import { beforeEach, describe, expect, it } from 'vitest';
import { EMPTY_SETTINGS } from '../src/lib/settings';
import { MemoryStore, openStore, type Store } from '../src/lib/store';
import { newConversation, path, putNode } from '../src/lib/tree';
import type { Node } from '../src/lib/types';

let count = 0;
const node = (id: string, parent: string | null, content = id): Node => ({ id, parent, role: 'user', created: ++count, content });

describe.each([
  ['the browser', () => openStore(`test-${++count}`)],
  ['memory', async () => new MemoryStore() as Store],
])('conversations in %s', (_, open) => {
  let store: Store;
  const c = newConversation(EMPTY_SETTINGS, 1, 'c');
  beforeEach(async () => { store = await open(); });

  it('come back as they were put', async () => {
    const full = putNode(putNode(c, node('q', null)), { ...node('a', 'q'), role: 'assistant', tokens: [['x', 0.5, 1, []]] });
    await store.putConversation(full);
    const back = await store.load('c');
    expect(path(back!).map((n) => n.id)).toEqual(['q', 'a']);
    expect(back!.nodes.get('a')?.tokens).toEqual([['x', 0.5, 1, []]]);
    expect(await store.load('other')).toBeNull();
  });
  it('grow by messages from two sides without losing any', async () => {
    const mine = { ...c.meta, updated: 5 };
    const theirs = { ...c.meta, updated: 9, title: 'theirs' };
    await Promise.all([store.putNode(mine, node('q', null)), store.putNode(theirs, node('q2', null))]);
    const back = await store.load('c');
    expect([...back!.nodes.keys()].sort()).toEqual(['q', 'q2']);
    expect(back!.meta.updated).toBe(9);
  });
  it('change only in the fields that were named', async () => {
    await store.putNode(c.meta, node('q', null));
    await Promise.all([store.patchMeta('c', { title: 'new' }), store.patchMeta('c', { pinned: true })]);
    expect(await store.list()).toMatchObject([{ title: 'new', pinned: true }]);
    await store.patchMeta('nobody', { title: 'x' });
    expect(await store.list()).toHaveLength(1);
  });
  it('are deleted, come back by undo or by a message of another tab, and go for good', async () => {
    await store.putNode(c.meta, node('q', null));
    await store.patchMeta('c', { deleted: 100 });
    expect(await store.list()).toEqual([]);
    expect(await store.load('c')).toBeNull();
    await store.patchMeta('c', { deleted: undefined });
    expect(await store.list()).toHaveLength(1);
    await store.patchMeta('c', { deleted: 100 });
    await store.putNode(c.meta, node('q2', 'q'));
    expect((await store.load('c'))?.nodes.size).toBe(2);
    await store.patchMeta('c', { deleted: 100 });
    await store.purge(99);
    await store.patchMeta('c', { deleted: undefined });
    expect(await store.list()).toHaveLength(1);
    await store.patchMeta('c', { deleted: 100 });
    await store.purge(100);
    await store.patchMeta('c', { deleted: undefined });
    expect(await store.list()).toEqual([]);
  });
  it('lose the messages that were removed, and all of them when cleared', async () => {
    await store.putConversation(putNode(putNode(c, node('q', null)), node('a', 'q')));
    await store.removeNodes('c', ['a']);
    expect((await store.load('c'))?.nodes.size).toBe(1);
    await store.clear();
    expect(await store.list()).toEqual([]);
  });
});

describe('two tabs', () => {
  it('see each other through the browser', async () => {
    const [one, two] = [await openStore('shared'), await openStore('shared')];
    const c = newConversation(EMPTY_SETTINGS, 1, 'c');
    await one.putNode(c.meta, node('q', null));
    await two.putNode(c.meta, node('q', null, 'other text, same id')); // the later state of one message
    expect((await one.load('c'))?.nodes.get('q')?.content).toBe('other text, same id');
  });
});
