// The chat in a browser, against the scripted server: every state that a real one is not brought to easily.
import { describe, expect, it } from 'vitest';
import { chromiumPath, clickInRow } from './browser';
import { words } from './mock';
import { scene } from './scene';

const EVIL = '<img src=x onerror="window.bad=1"><script>window.bad=2</script>';

describe.skipIf(!chromiumPath)('the chat', () => {
  const s = scene();
  const { box, answers, last, press, ended } = s;
  const ask = (text: string) => s.ask(text);
  const asked = (text: string) => s.asked(text);
  const sent = (i = -1) => s.sent(i);

  it('streams, folds the thinking, and says what it took', async () => {
    s.mock.script = { pieces: [{ thinking: 'Let me ' }, { thinking: 'see.' }, { waitMs: 400, content: 'It is **4' }, { content: '**.' }], glimt: { end: 'end_token', prompt_tokens: 50, reused_tokens: 40, generated_tokens: 12, thinking_tokens: 5, drafted: 8, accepted: 6, context: 2048, decode_seconds: 0.1 } };
    await ask('2+2?');
    const thinking = last().locator('details.thinking');
    await s.page.waitForFunction(() => document.querySelector<HTMLDetailsElement>('details.thinking')?.open);
    expect(await thinking.locator('summary').innerText()).toMatch(/^Thinking/);
    await ended();
    expect(await thinking.evaluate((d: HTMLDetailsElement) => d.open)).toBe(false);
    expect(await thinking.locator('summary').innerText()).toMatch(/^Thought for .*5 tokens/);
    expect(await last().locator('strong').first().innerText()).toBe('4');
    const stats = await last().getByRole('list', { name: 'Statistics' }).innerText();
    for (const part of ['12 tokens', '110 tokens/s', 'to first token', '40 of 50 reused', '6 of 8 guesses stood', 'complete']) expect(stats).toContain(part);
    expect(await s.page.getByRole('meter', { name: 'Context in use' }).getAttribute('aria-valuenow')).toBe('62');
  });

  it('stops, keeps what came, and goes on', async () => {
    s.mock.script = { pieces: words('one two three four five six seven eight nine ten'), everyMs: 400 };
    await ask('count');
    await last().getByText('two').waitFor();
    await press('Stop');
    await ended();
    await expect.poll(() => s.mock.aborted).toBe(1);
    expect(await last().innerText()).toContain('stopped by you');
    s.mock.script = { pieces: [{ content: ' and so on.' }] };
    await press('Continue');
    await last().getByText('and so on').waitFor();
    expect(sent()).toMatchObject({ continue_final_message: true });
    expect(sent().messages.at(-1)).toMatchObject({ role: 'assistant' });
    expect(sent().messages.at(-1)!.content).toMatch(/^one two/);
  });

  it('edits, regenerates, and steps between versions', async () => {
    await asked('first');
    await s.page.getByRole('article', { name: 'You' }).hover();
    await press('Edit');
    await s.page.getByRole('textbox', { name: 'Edit message' }).fill('second');
    await s.page.keyboard.press('Enter');
    await ended();
    expect(sent().messages).toEqual([{ role: 'user', content: 'second' }]);
    await s.page.getByText('2/2').waitFor();
    await press('Regenerate');
    await ended();
    await last().getByText('2/2').waitFor();
    await s.page.getByRole('article', { name: 'You' }).getByRole('button', { name: 'Previous version' }).click();
    await s.page.getByText('first', { exact: true }).first().waitFor();
    expect(await last().getByText('2/2').count()).toBe(0);
    await s.page.reload();
    await s.page.getByRole('article', { name: 'You' }).getByText('1/2').waitFor();
  });

  it('forks, deletes with undo, renames, pins and searches', async () => {
    await asked('about oceans');
    await press('Fork a new conversation from here');
    const list = s.page.getByRole('navigation', { name: 'Conversations' });
    await expect.poll(() => list.getByRole('link').count()).toBe(2);
    await asked('and rivers');
    await clickInRow(list.getByRole('listitem').first(), 'Rename');
    await s.page.getByRole('textbox', { name: 'New name' }).fill('Water');
    await s.page.keyboard.press('Enter');
    await list.getByRole('link', { name: 'Water' }).waitFor();
    await list.getByRole('link', { name: 'about oceans' }).click();
    await s.page.getByRole('searchbox', { name: 'Search conversations' }).fill('RIVERS');
    await expect.poll(() => list.getByRole('link').count()).toBe(1);
    expect(await list.getByRole('link').innerText()).toContain('and rivers');
    await s.page.getByRole('searchbox', { name: 'Search conversations' }).fill('');
    await clickInRow(list.getByRole('listitem').filter({ hasText: 'oceans' }), 'Pin');
    await list.getByRole('heading', { name: 'Pinned' }).waitFor();
    await clickInRow(list.getByRole('listitem').filter({ hasText: 'Water' }), 'Delete conversation');
    await expect.poll(() => list.getByRole('link').count()).toBe(1);
    await press('Undo');
    await list.getByRole('link', { name: 'Water' }).waitFor();
  });

  it('deletes a message with what follows, and brings it back', async () => {
    await asked('one');
    await asked('two');
    await s.page.getByRole('article', { name: 'You' }).last().hover();
    await s.page.getByRole('article', { name: 'You' }).last().getByRole('button', { name: 'Delete' }).click();
    await expect.poll(() => answers().count()).toBe(1);
    await press('Undo');
    await expect.poll(() => answers().count()).toBe(2);
  });

  it('shows calls as they are written and hands results back', async () => {
    s.mock.script = { pieces: [{ call: { index: 0, id: 'c0', name: 'get_weather' } }, { call: { index: 0, args: '{"city": ' } }, { waitMs: 300, call: { index: 0, args: '"Oslo"}' } }, { call: { index: 1, id: 'c1', name: EVIL, args: '{}' } }], finish: 'tool_calls' };
    await ask('weather');
    await last().getByText('{"city":').waitFor();
    await ended();
    s.mock.script = { pieces: [{ content: 'Cold.' }] };
    const card = (name: string | RegExp) => s.page.getByRole('region', { name });
    await card('Call of get_weather').getByRole('textbox').fill('-3');
    await card('Call of get_weather').getByRole('button', { name: 'Give result' }).click();
    expect(await answers().count()).toBe(1); // the other call has no result yet
    await card(/Call of <img/).getByRole('textbox').fill('x');
    await card(/Call of <img/).getByRole('button', { name: 'Give result' }).click();
    await last().getByText('Cold.').waitFor();
    expect(sent().messages.slice(1)).toMatchObject([{ role: 'assistant', tool_calls: [{ id: 'c0' }, { id: 'c1' }] }, { role: 'tool', tool_call_id: 'c0', content: '-3' }, { role: 'tool', tool_call_id: 'c1', content: 'x' }]);
  });

  it('shows markup everywhere as the text that it is', async () => {
    s.mock.script = { pieces: [{ thinking: EVIL }, { content: `${EVIL}\n\n[x](javascript:window.bad=3) ![y](https://elsewhere.example/z.png)\n\n\`\`\`html\n${EVIL}\n\`\`\`` }] };
    await s.page.locator('input[type=file]').first().setInputFiles({ name: `${EVIL.replaceAll('/', '')}.txt`, mimeType: 'text/plain', buffer: Buffer.from(EVIL) });
    await asked(EVIL);
    await last().locator('summary').click();
    await s.page.waitForTimeout(100);
    expect(await s.page.locator('article img, article script, nav img').count()).toBe(0);
    expect(await last().locator('a[href^="javascript"]').count()).toBe(0);
    expect(await s.page.getByRole('navigation', { name: 'Conversations' }).innerText()).toContain('<img');
    expect(await last().getByRole('link', { name: 'y' }).getAttribute('rel')).toContain('noopener');
  });

  it('takes text files by button, paste and drop, and says why it takes no others', async () => {
    await s.page.locator('input[type=file]').first().setInputFiles([{ name: 'a.csv', mimeType: 'text/csv', buffer: Buffer.from('1,2') }, { name: 'p.png', mimeType: 'image/png', buffer: Buffer.from('x') }]);
    await s.page.getByText('p.png is an image').waitFor();
    for (const kind of ['paste', 'drop']) {
      await box().evaluate((element, type) => {
        const data = new DataTransfer();
        data.items.add(new File(['text'], `${type}.md`, { type: 'text/markdown' }));
        element.dispatchEvent(type === 'paste' ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }) : new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
      }, kind);
      await s.page.getByText(`${kind}.md`).waitFor();
    }
    await press('Remove paste.md');
    await asked('read this');
    expect(sent().messages[0]!.content).toBe('File `a.csv`:\n```csv\n1,2\n```\n\nFile `drop.md`:\n```md\ntext\n```\n\nread this');
  });

  it('takes 10,000 characters', async () => {
    const long = 'word '.repeat(2000);
    await box().fill(long);
    await press('Send');
    await ended();
    expect(sent().messages[0]!.content).toBe(long);
  });

  it('waits for a busy server and tells so', async () => {
    s.mock.script = { status: 503, code: 'overloaded', message: 'the queue is full' };
    await ask('hi');
    await last().getByText('The server is busy. Trying again').waitFor();
    s.mock.script = { pieces: [{ content: 'At last.' }] };
    await last().getByText('At last.').waitFor();
  });

  it('tells of the queue, a loading model and a long prompt', async () => {
    const note = (glimt: object) => ({ raw: { choices: [], glimt }, waitMs: 250 });
    s.mock.script = { pieces: [note({ queued: 2 }), note({ loading: 0.4 }), note({ prefill: { done: 512, total: 2048 } }), { waitMs: 300, content: 'Done.' }] };
    await ask('hi');
    await last().getByText('place 2').waitFor();
    await last().getByText('40 %').waitFor();
    await last().getByText('512 of 2,048').waitFor();
    await last().getByText('Done.').waitFor();
  });

  it('keeps what came when the connection breaks, and what is typed when the server is gone', async () => {
    let cut = () => {};
    s.mock.script = { pieces: [...words('half of it'), { cut: new Promise<void>((done) => { cut = done; }) }] };
    await ask('tell');
    await last().getByText('half of it').waitFor(); // a browser may drop what it has not read when the connection breaks
    cut();
    await last().getByText('What came until then is kept').waitFor();
    expect(await last().innerText()).toContain('half of it');
    s.mock.down = true;
    await asked('and now?');
    await last().getByText('The server does not answer.').waitFor();
    await s.page.getByText('what you type stays here').waitFor({ timeout: 10_000 });
    await box().fill('unsent words');
    await s.page.reload();
    await s.page.waitForFunction(() => (document.querySelector('textarea[aria-label=Message]') as HTMLTextAreaElement | null)?.value === 'unsent words');
    await s.page.getByText('half of it').waitFor();
    s.mock.down = false;
    s.mock.script = { pieces: [{ content: 'Back.' }] };
    await press('Try again');
    await last().getByText('Back.').waitFor();
  });

  it('shows an error in the middle, and a refusal with its reason', async () => {
    s.mock.script = { pieces: [{ content: 'abc' }, { raw: { error: { message: 'logits are broken', code: 'engine_failed' } } }] };
    await asked('hi');
    await last().getByText('logits are broken').waitFor();
    s.mock.script = { status: 400, message: 'tools[0]: no' };
    await asked('hi');
    await last().getByText('tools[0]: no').waitFor();
    s.mock.script = { status: 400, code: 'context_length_exceeded', message: 'prompt is too long: 9 tokens > 8 maximum' };
    await asked('hi');
    await last().getByText('no longer fits').waitFor();
  });

  it('asks for a key and keeps it only where the user wants that', async () => {
    s.mock.needsKey = 'secret';
    await s.page.reload();
    await s.page.getByText('This server wants an API key.').waitFor();
    await s.page.getByRole('textbox', { name: 'API key' }).fill('wrong');
    await press('Use key');
    await s.page.getByText('does not accept this key').waitFor();
    await s.page.getByRole('textbox', { name: 'API key' }).fill('secret');
    await press('Use key');
    await s.page.getByText('tokens of context').waitFor();
    await asked('hi');
    expect(await s.page.evaluate(() => JSON.stringify(localStorage) + JSON.stringify(sessionStorage))).not.toContain('secret');
    await s.page.reload();
    await s.page.getByRole('textbox', { name: 'API key' }).fill('secret');
    await s.page.getByLabel('Keep it in this browser').check();
    await press('Use key');
    await ended();
    await s.page.reload();
    await ended();
    expect(await s.page.getByText('wants an API key').count()).toBe(0);
  });

  it('shows an answer that a reload has broken off, and goes on with it', async () => {
    s.mock.script = { pieces: words('alpha beta gamma delta epsilon zeta eta theta iota'), everyMs: 250 };
    await ask('letters');
    await last().getByText('gamma').waitFor();
    await s.page.waitForTimeout(600);
    await s.page.reload();
    await last().getByText('interrupted').waitFor({ timeout: 10_000 });
    expect(await last().innerText()).toContain('alpha beta');
    s.mock.script = { pieces: [{ content: ' and the rest' }] };
    await press('Continue');
    await last().getByText('and the rest').waitFor();
  });

  it('does not lose what two tabs write at once', async () => {
    await asked('from one');
    const two = await s.open.context.newPage();
    await two.goto(s.page.url());
    await two.getByText('from one').first().waitFor();
    s.mock.script = { pieces: words('a slow answer in the first tab, word by word'), everyMs: 120 };
    await ask('slow');
    await two.getByText('Another tab is writing this answer.').waitFor();
    await two.getByRole('textbox', { name: 'Message' }).fill('from two');
    await ended();
    await two.getByText('word by word').waitFor();
    await box().fill('again from one');
    s.mock.script = { pieces: [{ content: 'x' }] };
    const send = () => document.querySelector<HTMLFormElement>('form.composer')!.requestSubmit();
    await Promise.all([two.evaluate(send), s.page.evaluate(send)]); // before either tab hears of the other's message
    await ended();
    await two.getByRole('button', { name: 'Send' }).waitFor();
    await s.page.reload();
    await s.page.getByText('2/2').or(s.page.getByText('1/2')).first().waitFor();
    const all = async () => (await s.page.getByRole('article', { name: 'You' }).allTextContents()).join();
    let text = await all();
    await s.page.getByRole('button', { name: /version/ }).and(s.page.locator(':enabled')).first().click();
    text += await all();
    expect(text).toContain('from two');
    expect(text).toContain('again from one');
  });

  it('keeps nothing of a private chat', async () => {
    await press('New private chat');
    await s.page.getByText('Nothing of it is kept').waitFor();
    await asked('secret plans');
    expect(await s.page.getByRole('navigation').innerText()).not.toContain('secret');
    const kept = await s.page.evaluate(async () => {
      const all = await new Promise<unknown[]>((done) => {
        const request = indexedDB.open('glimt');
        request.onsuccess = () => {
          const get = request.result.transaction('nodes').objectStore('nodes').getAll();
          get.onsuccess = () => done(get.result);
        };
      });
      return JSON.stringify(all) + JSON.stringify(localStorage) + JSON.stringify(sessionStorage);
    });
    expect(kept).not.toContain('secret plans');
    expect(await s.page.title()).toBe('Private · glimt'); // the browser's history would keep it
    await s.page.reload();
    await s.page.getByText('What is on your mind?').waitFor();
  });

  it('exports and imports the whole tree, and copies Markdown', async () => {
    await s.open.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await asked('one');
    await press('Regenerate');
    await ended();
    await press('More');
    await s.page.getByRole('button', { name: 'Copy as Markdown' }).click();
    expect(await s.page.evaluate(() => navigator.clipboard.readText())).toBe('# one\n\n## You\n\none\n\n## Answer\n\nHello.\n');
    await press('More');
    const [one] = await Promise.all([s.page.waitForEvent('download'), press('Export as JSON')]);
    expect(one.suggestedFilename()).toBe('one.json');
    await press('Settings');
    await s.page.getByRole('tab', { name: 'Data' }).click();
    const [download] = await Promise.all([s.page.waitForEvent('download'), press('Export all')]);
    await s.page.locator('dialog input[type=file]').setInputFiles(await download.path().then((path) => path));
    await s.page.getByText('Conversations imported: 1.').waitFor();
    await s.page.keyboard.press('Escape');
    const list = s.page.getByRole('navigation', { name: 'Conversations' });
    await expect.poll(() => list.getByRole('link').count()).toBe(2);
    await list.getByRole('link').last().click();
    await last().getByText('2/2').waitFor();
  });
});
