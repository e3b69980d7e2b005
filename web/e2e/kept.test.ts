// What the user would lose, or what would be done to them: reloads, long pastes, markup, models that are unloaded.
import { describe, expect, it } from 'vitest';
import { chromiumPath, clickInRow } from './browser';
import { words, type Script } from './mock';
import { scene } from './scene';

const EVIL = '<img src=x onerror="window.bad=1"><script>window.bad=2</script>';
const note = (glimt: object, waitMs = 250) => ({ raw: { choices: [{ index: 0, delta: {}, finish_reason: null }], glimt }, waitMs });

describe.skipIf(!chromiumPath)('nothing is lost', () => {
  const s = scene();

  // Twice: what is on the screen is there again, however short before the reload it came.
  it.each([120, 650])('of an answer when the page is reloaded after %i ms', async (ms) => {
    s.mock.script = { pieces: words(Array.from({ length: 400 }, (_, i) => `word${i}`).join(' ')), everyMs: 15 };
    await s.ask('count');
    await s.last().getByText('word3').waitFor();
    await s.page.waitForTimeout(ms);
    const before = (await s.last().locator('.markdown').innerText()).trim();
    await s.page.reload();
    await s.last().getByText('This answer was interrupted.').waitFor();
    expect((await s.last().locator('.markdown').innerText()).trim().startsWith(before)).toBe(true);
    await expect.poll(() => s.mock.aborted).toBe(1);
    await s.press('Look inside');
    expect(await s.page.locator('.token').allTextContents().then((t) => t.join('').trim().startsWith(before))).toBe(true);
    expect(await s.page.evaluate(() => Object.keys(localStorage).filter((k) => k.includes('rescue')))).toEqual([]);
  });

  it('of what is pasted: 10,000 characters', async () => {
    await s.open.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    const long = Array.from({ length: 1300 }, (_, i) => (i % 20 === 19 ? `line ${i % 10}\n` : 'words é ')).join('');
    expect(long.length).toBeGreaterThanOrEqual(10_000);
    await s.page.evaluate((text) => navigator.clipboard.writeText(text), long);
    await s.box().focus();
    await s.page.keyboard.press('Control+v');
    expect(await s.box().inputValue()).toBe(long);
    expect(await s.page.getByRole('button', { name: 'Send' }).isVisible()).toBe(true);
    await s.page.keyboard.press('Enter');
    await s.ended();
    expect(s.sent().messages[0]!.content).toBe(long);
  });

  it('of a question that waits: queue, loading and prompt are told, then it is answered', async () => {
    const script: Script = {
      pieces: [note({ queued: 3 }), note({ queued: 1 }), note({ loading: 0.4 }), note({ prefill: { done: 0, total: 2048 } }), note({ prefill: { done: 512, total: 2048 } }), { waitMs: 300, content: 'Done.' }],
    };
    s.mock.script = script;
    await s.ask('hi');
    const waiting = s.last().getByRole('status');
    await expect.poll(() => waiting.innerText()).toBe('In the queue, place 3');
    await expect.poll(() => waiting.innerText()).toBe('In the queue, place 1');
    await expect.poll(() => waiting.innerText()).toBe('Loading the model, 40 %');
    await expect.poll(() => waiting.innerText()).toBe('Reading the prompt, 512 of 2,048 tokens');
    expect(await s.last().getByRole('progressbar').getAttribute('value')).toBe('0.25');
    await s.last().getByText('Done.').waitFor();
    expect(await waiting.count()).toBe(0);
    expect(await s.last().getByRole('progressbar').count()).toBe(0);
  });

  it('while a server is slow: the page tells for how long, and stops when it is told to', async () => {
    s.mock.script = { pieces: [{ waitMs: 8000, content: 'late' }] };
    await s.ask('hi');
    await s.last().getByText(/^Waiting for the answer, \d s$/).waitFor({ timeout: 6000 });
    await s.press('Stop');
    await s.ended();
    await expect.poll(() => s.mock.aborted).toBe(1);
    await s.last().getByText('The model has answered nothing.').waitFor();
  });

  it('when the key is changed in the middle of a conversation', async () => {
    await s.asked('first');
    s.mock.needsKey = 'new';
    await s.asked('second');
    await s.last().getByText('The server wants another API key.').waitFor();
    await s.page.getByRole('textbox', { name: 'API key' }).fill('new');
    await s.press('Use key');
    await s.last().getByRole('button', { name: 'Try again' }).click();
    await s.last().getByText('Hello.').waitFor();
    expect(s.sent().messages.map((m) => m.content)).toEqual(['first', 'Hello.', 'second']);
  });

  it('of what two tabs choose', async () => {
    const two = await s.open.context.newPage();
    await two.goto(s.url);
    await two.getByRole('button', { name: 'Settings' }).click();
    await s.press('Settings');
    await s.page.getByRole('textbox', { name: 'Name of a preset' }).fill('mine');
    await s.page.keyboard.press('Enter');
    await two.getByRole('button', { name: 'mine', exact: true }).waitFor();
    await two.getByRole('tab', { name: 'Page' }).click();
    await two.getByRole('radio', { name: 'Dark' }).check();
    await expect.poll(() => s.page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe('rgb(24, 25, 24)');
    await s.page.reload();
    await s.press('Settings');
    await s.page.getByRole('button', { name: 'mine', exact: true }).waitFor();
    expect(await s.page.evaluate(() => document.documentElement.dataset['theme'])).toBe('dark');
  });

  it('when the context is nearly full: that is told before the end', async () => {
    s.mock.script = { pieces: [{ content: 'x' }], glimt: { prompt_tokens: 1700, generated_tokens: 100, context: 2048, end: 'end_token' } };
    await s.asked('hi');
    await s.page.getByText('This conversation fills 88 % of the context.').waitFor();
    expect(await s.page.getByRole('meter', { name: 'Context in use' }).getAttribute('aria-valuenow')).toBe('1800');
  });
});

describe.skipIf(!chromiumPath)('text is text', () => {
  const s = scene();

  it('in arguments and results of tools, presets, stop strings, the schema, names and what is found', async () => {
    await s.press('Settings');
    await s.page.getByRole('textbox', { name: 'Name of a preset' }).fill(EVIL);
    await s.page.keyboard.press('Enter');
    await s.page.getByRole('button', { name: EVIL, exact: true }).waitFor();
    await s.tab('Sampling');
    await s.page.getByRole('textbox', { name: 'New stop string' }).fill(EVIL);
    await s.page.keyboard.press('Enter');
    await s.tab('Output and tools');
    await s.page.getByRole('textbox', { name: 'Tools as JSON' }).fill(JSON.stringify([{ name: EVIL }, { name: EVIL }]));
    await s.page.getByText('There are two tools').waitFor();
    await s.page.getByRole('textbox', { name: 'Tools as JSON' }).fill('');
    await s.page.keyboard.press('Escape');
    s.mock.script = { pieces: [{ call: { index: 0, id: 'c', name: EVIL, args: JSON.stringify({ a: EVIL }) } }, { call: { index: 1, id: 'd', name: 'g', args: `${EVIL}{"` } }], finish: 'tool_calls', glimt: { end: 'stop_string', stop_string: EVIL, prompt_tokens: 9, reused_tokens: 5, generated_tokens: 3, cut: { before: EVIL, after: EVIL } } };
    await s.asked(EVIL);
    expect(await s.last().locator('section.tool pre').first().innerText()).toContain('<img src=x');
    s.mock.script = { pieces: words(EVIL) };
    for (const [i, name] of [EVIL, 'g'].entries()) {
      const card = s.page.locator('section.tool').nth(i);
      await card.getByRole('textbox').fill(`${name} ${EVIL}`);
      await card.getByRole('button', { name: 'Give result' }).click();
    }
    await s.ended();
    await s.press('Look inside');
    await s.page.locator('.token').first().hover();
    await s.page.getByRole('searchbox').fill('onerror');
    await s.list().getByText('<img').first().waitFor();
    await s.page.getByRole('searchbox').fill('');
    await clickInRow(s.list().getByRole('listitem').first(), 'Rename');
    await s.page.getByRole('textbox', { name: 'New name' }).fill(`new ${EVIL}`);
    await s.page.keyboard.press('Enter');
    await s.page.getByRole('heading', { name: 'new <img' }).waitFor();
    expect(await s.page.title()).toContain('<img');
    expect(await s.page.locator('img, iframe, #app script, object, embed').count()).toBe(0);
  });

  it('in what the server tells of itself', async () => {
    s.mock.script = { status: 400, message: EVIL };
    await s.asked('hi');
    await s.last().getByText('<img').waitFor();
    expect(await s.page.locator('img').count()).toBe(0);
  });

  it('and code is copied, wrapped and unfolded', async () => {
    await s.open.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    const code = Array.from({ length: 60 }, (_, i) => `let x${i} = "<b>${'y'.repeat(i === 0 ? 300 : 3)}</b>";`).join('\n');
    s.mock.script = { pieces: [{ content: `Here:\n\n\`\`\`js\n${code}\n\`\`\`\n` }] };
    await s.asked('code');
    const block = s.last().locator('.code');
    expect(await block.locator('.language').innerText()).toBe('js');
    expect(await block.locator('.hljs-keyword').first().innerText()).toBe('let');
    await block.getByRole('button', { name: 'Copy code' }).click();
    await expect.poll(() => s.page.evaluate(() => navigator.clipboard.readText())).toBe(code);
    const wide = () => block.locator('pre').evaluate((e) => e.scrollWidth > e.clientWidth);
    expect(await wide()).toBe(true);
    await block.getByRole('button', { name: 'Wrap lines' }).click();
    expect(await wide()).toBe(false);
    const height = () => block.locator('pre').evaluate((e) => e.clientHeight);
    const folded = await height();
    await block.getByRole('button', { name: 'Show all 60 lines' }).click();
    expect(await height()).toBeGreaterThan(folded * 2);
  });
});

describe.skipIf(!chromiumPath)('models', () => {
  const s = scene();

  it('are unloaded and loaded from the status view', async () => {
    await s.page.getByRole('link', { name: 'Status' }).click();
    const card = s.page.getByRole('region', { name: 'demo' });
    await card.getByRole('button', { name: 'Unload' }).click();
    await card.getByText('not loaded').waitFor();
    await s.page.waitForTimeout(700);
    expect(s.mock.loaded).toBe(false); // nothing that the page asks loads it again
    await card.getByRole('button', { name: 'Load' }).click();
    await card.getByRole('button', { name: 'Unload' }).waitFor();
    expect(s.mock.loaded).toBe(true);
  });
});

describe.skipIf(!chromiumPath)('names', () => {
  const s = scene();

  it('that others rely on are there', async () => {
    const summary = () => s.last().locator('details > summary').innerText();
    s.mock.script = { pieces: [{ thinking: 'Hm.' }, { waitMs: 60_000, content: 'Hello.' }] };
    await s.ask('hi');
    await expect.poll(summary).toMatch(/^Thinking/);
    await s.page.getByRole('button', { name: 'Stop' }).click();
    await s.ended();
    expect(await summary()).toMatch(/^Thought/);
    const { page } = s;
    const wanted = [
      page.getByRole('textbox', { name: 'Message', exact: true }), page.getByRole('searchbox', { name: 'Search conversations', exact: true }),
      page.getByRole('navigation', { name: 'Conversations', exact: true }), page.getByRole('link', { name: 'Status', exact: true }),
      page.getByRole('article', { name: 'Answer', exact: true }),
    ];
    for (const one of wanted) expect(await one.count()).toBe(1);
    for (const name of ['Send', 'Regenerate', 'Edit', 'Copy', 'New chat', 'Settings', 'Attach', 'Look inside']) {
      expect(await page.getByRole('button', { name, exact: true }).count(), name).toBeGreaterThan(0);
    }
  });
});
