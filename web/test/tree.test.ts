import { describe, expect, it } from 'vitest';
import { EMPTY_SETTINGS } from '../src/lib/settings';
import { children, fork, lastOf, newConversation, path, pathTo, putNode, removeNodes, select, step, subtree, versions } from '../src/lib/tree';
import type { Conversation, Node, Role } from '../src/lib/types';

let clock = 0;
function add(c: Conversation, id: string, parent: string | null, role: Role, content = id): Conversation {
  return putNode(c, { id, parent, role, content, created: ++clock });
}

// q1 - a1 - q2 - a2
//   \  a1b  \ q2b - a2b
function sample(): Conversation {
  let c = newConversation(EMPTY_SETTINGS, 1, 'c');
  c = add(c, 'q1', null, 'user');
  c = add(c, 'a1', 'q1', 'assistant');
  c = add(c, 'q2', 'a1', 'user');
  c = add(c, 'a2', 'q2', 'assistant');
  c = add(c, 'q2b', 'a1', 'user');
  c = add(c, 'a2b', 'q2b', 'assistant');
  return add(c, 'a1b', 'q1', 'assistant');
}
const ids = (nodes: Node[]) => nodes.map((n) => n.id).join(' ');

describe('the tree of a conversation', () => {
  it('shows the newest version of everything', () => {
    expect(ids(path(sample()))).toBe('q1 a1b');
  });
  it('shows what was selected, and what was selected there before', () => {
    const c = step(sample(), sample().nodes.get('a1b')!, -1);
    expect(ids(path(c))).toBe('q1 a1 q2b a2b');
    expect(ids(path(select(c, 'a2')))).toBe('q1 a1 q2 a2');
  });
  it('stays where it is at the first and the last version', () => {
    const c = sample();
    expect(step(c, c.nodes.get('a1b')!, 1)).toBe(c);
    expect(ids(path(step(step(c, c.nodes.get('a1b')!, -1), c.nodes.get('a1')!, -1)))).toBe('q1 a1 q2b a2b');
  });
  it('counts versions of one role only', () => {
    const c = add(sample(), 'q3', 'q1', 'user');
    expect(ids(versions(c, c.nodes.get('a1')!))).toBe('a1 a1b');
  });
  it('replaces a node in place without moving the selection', () => {
    const c = step(sample(), sample().nodes.get('a1b')!, -1);
    const next = putNode(c, { ...c.nodes.get('a1b')!, content: 'longer' });
    expect(ids(path(next))).toBe('q1 a1 q2b a2b');
    expect(next.nodes.get('a1b')?.content).toBe('longer');
    expect(c.nodes.get('a1b')?.content).toBe('a1b');
  });
  it('removes a message with all that follows, in every version', () => {
    const c = sample();
    const gone = subtree(c, 'a1');
    expect(gone.map((n) => n.id).sort().join(' ')).toBe('a1 a2 a2b q2 q2b');
    expect(ids(path(removeNodes(c, gone)))).toBe('q1 a1b');
    expect(c.nodes.size).toBe(7);
  });
  it('forks the way to a message, with new ids, and leaves the original', () => {
    const c = sample();
    const copy = fork(c, 'q2', 5);
    expect(path(copy).map((n) => n.content).join(' ')).toBe('q1 a1 q2');
    expect([...copy.nodes.keys()].some((id) => c.nodes.has(id))).toBe(false);
    expect(copy.meta.id).not.toBe('c');
  });
  it('survives a parent that is missing and a circle', () => {
    let c = add(newConversation(EMPTY_SETTINGS), 'x', 'gone', 'user');
    expect(path(c)).toEqual([]);
    c = add(add(c, 'y', 'z', 'user'), 'z', 'y', 'assistant');
    expect(pathTo(c, 'y')).toHaveLength(2);
    expect(subtree(c, 'y')).toHaveLength(2);
  });
  it('sorts versions by time, then by id', () => {
    let c = newConversation(EMPTY_SETTINGS);
    for (const id of ['b', 'a']) c = putNode(c, { id, parent: null, role: 'user', content: '', created: 1 });
    expect(ids(children(c, null))).toBe('a b');
    expect(lastOf(path(c), 'assistant')).toBeUndefined();
  });
  it('finds the way in a long conversation quickly', () => {
    let c = newConversation(EMPTY_SETTINGS);
    const nodes = new Map<string, Node>();
    for (let i = 0; i < 10_000; i++) nodes.set(`${i}`, { id: `${i}`, parent: i ? `${i - 1}` : null, role: 'user', content: '', created: i });
    c = { ...c, nodes };
    const from = performance.now();
    expect(path(c)).toHaveLength(10_000);
    expect(performance.now() - from).toBeLessThan(500);
  });
});
