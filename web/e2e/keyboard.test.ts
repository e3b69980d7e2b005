// The page with keys alone: everything is reached, what has the focus is to be seen, and the focus is never lost.
import { describe, expect, it } from 'vitest';
import { chromiumPath } from './browser';
import { words } from './mock';
import { scene } from './scene';

interface Focused {
  name: string;
  tag: string;
  isMarked: boolean;
  isInView: boolean;
}

describe.skipIf(!chromiumPath)('with keys alone', () => {
  const s = scene();

  function focused(): Promise<Focused> {
    return s.page.evaluate(() => {
      const e = document.activeElement ?? document.body;
      const box = e.getBoundingClientRect();
      const style = getComputedStyle(e);
      // The fields for a message and for a search have a frame around them that takes the mark.
      const framed = e.closest('.composer, .search');
      const line = framed ? getComputedStyle(framed).borderColor : '';
      const plain = getComputedStyle(document.querySelector('.sidebar')!).borderInlineEndColor;
      return {
        name: e.getAttribute('aria-label') ?? (e as HTMLInputElement).labels?.[0]?.textContent?.trim() ?? e.textContent?.trim() ?? '',
        tag: e.tagName,
        isMarked: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || (framed !== null && line !== plain),
        isInView: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
      };
    });
  }

  // Tabs until something of that name has the focus.
  async function reach(name: string | RegExp, back = false): Promise<void> {
    const seen: string[] = [];
    for (let i = 0; i < 90; i++) {
      await s.page.keyboard.press(back ? 'Shift+Tab' : 'Tab');
      const now = await focused();
      seen.push(now.name.slice(0, 30));
      if (typeof name === 'string' ? now.name === name : name.test(now.name)) return;
    }
    throw new Error(`${String(name)} is not reached: ${seen.join(' | ')}`);
  }

  async function use(name: string | RegExp, back = false): Promise<void> {
    await reach(name, back);
    await s.page.keyboard.press('Enter');
  }

  const holdsFocus = () => expect.poll(async () => (await focused()).tag).not.toBe('BODY');

  it('all that has the focus shows it', async () => {
    await s.asked('hello');
    const names = new Set<string>();
    for (let i = 0; i < 60; i++) {
      await s.page.keyboard.press('Tab');
      const now = await focused();
      if (now.tag === 'BODY') continue; // the browser's own bar comes next
      expect(now, now.name).toMatchObject({ isMarked: true, isInView: true });
      names.add(now.name);
    }
    for (const name of ['To the message', 'New chat', 'New private chat', 'Search conversations', 'hello', 'Status', 'Settings', 'Keys', 'Look inside', 'More', 'Edit', 'Copy', 'Regenerate', 'Message', 'Attach', 'Thinking']) {
      expect([...names]).toContain(name);
    }
  });

  it('answers are regenerated, stepped through, edited and deleted', async () => {
    await s.page.keyboard.type('first');
    await s.page.keyboard.press('Enter');
    await s.ended();
    await use('Regenerate', true);
    await s.last().getByText('2/2').waitFor();
    await holdsFocus();
    await s.ended();
    await use('Previous version', true);
    await s.last().getByText('1/2').waitFor();
    await expect.poll(async () => (await focused()).name).toBe('Next version'); // there is none before
    await s.page.keyboard.press('Enter');
    await s.last().getByText('2/2').waitFor();
    await expect.poll(async () => (await focused()).name).toBe('Previous version');
    await s.page.keyboard.press('Alt+e');
    await s.page.keyboard.type(' and more');
    await s.page.keyboard.press('Enter');
    await s.ended();
    expect(s.sent().messages.at(-1)!.content).toBe('first and more');
    await holdsFocus();
    await use('Delete', true);
    await s.page.getByText('Message deleted.').waitFor();
    await holdsFocus();
    await use('Undo');
    await expect.poll(() => s.answers().count()).toBe(1);
    await holdsFocus();
  });

  it('conversations are opened, renamed, pinned, found and deleted', async () => {
    for (const title of ['one', 'two']) {
      await s.page.keyboard.press('Alt+n');
      await s.page.keyboard.type(title);
      await s.page.keyboard.press('Enter');
      await s.ended();
    }
    await reach('two', true);
    await use('Rename');
    await s.page.keyboard.type('Second');
    await s.page.keyboard.press('Enter');
    await s.list().getByRole('link', { name: 'Second' }).waitFor();
    await holdsFocus();
    await use('Pin');
    await s.list().getByRole('heading', { name: 'Pinned' }).waitFor();
    await holdsFocus();
    await s.page.keyboard.press('/');
    await s.page.keyboard.type('one');
    await expect.poll(() => s.list().getByRole('link').count()).toBe(1);
    await s.page.keyboard.press('Escape');
    await expect.poll(() => s.list().getByRole('link').count()).toBe(2);
    await use('one');
    await expect.poll(() => s.page.getByRole('article', { name: 'You' }).innerText()).toContain('one');
    await use('Delete conversation');
    await s.page.getByText('Conversation deleted.').waitFor();
    await holdsFocus();
  });

  it('settings are changed and reset, and the focus goes back', async () => {
    await use('Settings');
    await reach(/^Prompt$/);
    await s.page.keyboard.press('ArrowRight');
    await reach('top_p');
    await s.page.keyboard.type('0.5');
    await s.page.keyboard.press('Tab');
    await s.page.getByText('1 changed').waitFor();
    await use('Reset top_p', true);
    await expect.poll(() => s.page.getByText('1 changed').count()).toBe(0);
    await holdsFocus();
    expect(await s.page.evaluate(() => document.activeElement?.closest('dialog') !== null)).toBe(true);
    await s.page.keyboard.press('Escape');
    await expect.poll(async () => (await focused()).name).toBe('Settings');
  });

  it('a tool gets its result, and another token its branch', async () => {
    s.mock.script = { pieces: [{ call: { index: 0, id: 'c', name: 'f', args: '{}' } }], finish: 'tool_calls' };
    await s.asked('call');
    s.mock.script = { pieces: words('The quick brown fox') };
    await reach('Result of f', true);
    await s.page.keyboard.type('42');
    await s.page.keyboard.press('Control+Enter');
    await s.last().getByText('brown fox').waitFor();
    await s.ended();
    await holdsFocus();
    await s.page.keyboard.press('Alt+i');
    await reach(/^The, 99%/, true);
    await s.page.keyboard.press('ArrowRight');
    expect((await focused()).name).toBe('quick, 93%, guessed ahead');
    await use('Go on from this');
    await s.last().getByText('2/2').waitFor();
    await s.ended();
    await holdsFocus();
  });

  it('each key of the list does what the list says', async () => {
    await s.open.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await s.asked('hi');
    await s.page.keyboard.press('Alt+c');
    await s.page.getByText('Copied.').waitFor();
    expect(await s.page.evaluate(() => navigator.clipboard.readText())).toBe('Hello.');
    await s.page.keyboard.press('Alt+i');
    expect(await s.page.getByRole('button', { name: 'Look inside' }).getAttribute('aria-pressed')).toBe('true');
    await s.page.keyboard.press('Alt+,');
    await s.page.getByRole('dialog', { name: 'Settings' }).waitFor();
    await s.page.keyboard.press('Escape');
    await s.page.locator('dialog').waitFor({ state: 'detached' });
    await s.page.keyboard.press('Alt+t');
    await s.page.getByText('Thinking is off.').waitFor();
    await s.page.keyboard.press('Alt+m');
    expect((await focused()).name).toBe('Message');
  });
});
