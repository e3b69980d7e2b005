// @vitest-environment jsdom
import { beforeEach, describe, expect, it } from 'vitest';
import { keepFocus } from '../src/lib/focus';
import { putRescued, saysMore, takeRescued } from '../src/lib/rescue';
import { EMPTY_SETTINGS } from '../src/lib/settings';
import { newConversation } from '../src/lib/tree';
import type { Node } from '../src/lib/types';
import { behindFirstFrame } from '../scripts/first_frame';

const { meta } = newConversation(EMPTY_SETTINGS, 1, 'c');
const node: Node = { id: 'a', parent: null, role: 'assistant', created: 1, content: 'half', partial: true, tokens: [['half', 1, 0, [['whole', 0.1], ['other', 0.05], ['none', 0.01]]]] };

describe('messages that are rescued', () => {
  beforeEach(() => localStorage.clear());

  it('come back once', () => {
    putRescued({ meta, node });
    expect(takeRescued()).toEqual([{ meta, node }]);
    expect(takeRescued()).toEqual([]);
  });
  it('come without their details where there is little room', () => {
    const small = memory(150 + JSON.stringify({ meta }).length);
    putRescued({ meta, node }, small);
    expect(takeRescued(small)).toEqual([{ meta, node: { ...node, tokens: undefined } }]);
    putRescued({ meta, node }, memory(0));
  });
  it('are left out where they are damaged', () => {
    for (const text of ['{', 'null', '{"meta":{},"node":{}}', '{"node":{"id":"a"}}']) localStorage.setItem('glimt-rescue-a', text);
    localStorage.setItem('glimt', '{}');
    expect(takeRescued()).toEqual([]);
    expect(localStorage.length).toBe(1);
  });
  it('do not replace what says as much, or is complete', () => {
    expect(saysMore(node, undefined)).toBe(true);
    expect(saysMore(node, { ...node, content: 'ha' })).toBe(true);
    expect(saysMore({ ...node, thinking: 'hm' }, node)).toBe(true);
    expect(saysMore(node, node)).toBe(false);
    expect(saysMore(node, { ...node, content: '', partial: undefined })).toBe(false);
  });
});

function memory(room: number): Storage {
  const all = new Map<string, string>();
  return {
    get length() { return all.size; },
    key: (i) => [...all.keys()][i] ?? null,
    getItem: (name) => all.get(name) ?? null,
    setItem(name, text) {
      if (text.length > room) throw new Error('full');
      all.set(name, text);
    },
    removeItem: (name) => void all.delete(name),
    clear: () => all.clear(),
  };
}

describe('the focus', () => {
  let lost = 0;
  const focus = (selector: string) => document.querySelector<HTMLElement>(selector)!.focus();
  const now = () => document.activeElement?.id;
  const settled = () => new Promise((r) => setTimeout(r));
  function page(html: string): () => void {
    document.body.innerHTML = html;
    lost = 0;
    return keepFocus(() => lost++);
  }

  it('goes to what takes the place of a deleted row, and stays in its list', async () => {
    const end = page('<nav><a href="#" id="top">t</a><ul><li><button id="one">1</button></li><li><button id="two">2</button></li></ul></nav>');
    focus('#one');
    document.querySelector('li')!.remove();
    await settled();
    expect(now()).toBe('two');
    document.querySelector('li')!.remove();
    await settled();
    expect([now(), lost]).toEqual(['top', 0]);
    end();
  });
  it('follows a button that is pressed again', async () => {
    const versions = (i: number) => `<p><button id="copy${i}">c</button><button data-again aria-label="before" id="before${i}">-</button><button data-again aria-label="after" id="after${i}">+</button></p>`;
    const end = page(versions(1));
    focus('#after1');
    document.querySelector('p')!.outerHTML = versions(2);
    await settled();
    expect(now()).toBe('after2');
    end();
  });
  it('leaves a button that is switched off', async () => {
    const end = page('<span role="group"><button id="before">-</button><button id="after">+</button></span>');
    focus('#after');
    document.querySelector<HTMLButtonElement>('#after')!.disabled = true;
    await settled();
    expect(now()).toBe('before');
    end();
  });
  it('falls back where nothing is near, and is left alone where the user took it away', async () => {
    const end = page('<main><p id="p"><button id="b">b</button></p></main>');
    focus('#b');
    document.querySelector('#p')!.remove();
    await settled();
    expect(lost).toBe(1);
    document.body.innerHTML = '<button id="c">c</button><i></i>';
    focus('#c');
    document.querySelector<HTMLElement>('#c')!.blur();
    document.querySelector('i')!.remove();
    await settled();
    expect(lost).toBe(1);
    end();
  });
});

describe('the program', () => {
  it('stands behind the outline of the page, as it was', () => {
    const html = '<html><head><script type="module" crossorigin>const a = "$&</body>";</script><style>b{}</style></head><body><div></div></body></html>';
    const moved = behindFirstFrame(html);
    expect(moved.indexOf('<div>')).toBeLessThan(moved.indexOf('<script>'));
    expect(moved).toContain('const a = "$&</body>";');
    expect(moved.match(/<script/g)).toHaveLength(1);
    expect(() => behindFirstFrame('<html><body></body></html>')).toThrow('module script');
    expect(() => behindFirstFrame('<head><script type="module" src="a.js"></script></head><body></body>')).toThrow('empty');
  });
});
