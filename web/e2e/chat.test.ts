// The chat in a browser, against the scripted server: every state that a real one is not brought to easily.
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { chromiumPath, launch, watched, type Watched } from './browser';
import { Mock, words } from './mock';

const EVIL = '<img src=x onerror="window.bad=1"><script>window.bad=2</script>';

describe.skipIf(!chromiumPath)('the chat', () => {
  let browser: Browser;
  let mock: Mock;
  let url: string;
  let open: Watched;
  let page: Page;

  beforeAll(async () => { browser = await launch(); });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    mock = new Mock();
    url = await mock.start();
    open = await watched(browser, url);
    page = open.page;
    await page.goto(url);
    await page.getByText('tokens of context').waitFor();
  });
  afterEach(async () => {
    expect(open.faults).toEqual([]);
    expect(await page.evaluate(() => (window as unknown as { bad?: number }).bad)).toBeUndefined();
    await open.context.close();
    mock.stop();
  });

  const box = () => page.getByRole('textbox', { name: 'Message' });
  const answers = () => page.getByRole('article', { name: 'Answer' });
  const last = () => answers().last();
  const press = (name: string, exact = true) => page.getByRole('button', { name, exact }).last().click();
  const ended = () => page.getByRole('button', { name: 'Send' }).waitFor({ timeout: 20_000 });
  async function ask(text: string): Promise<void> {
    await box().fill(text);
    await box().press('Enter');
  }
  async function asked(text: string): Promise<void> {
    await ask(text);
    await ended();
  }
  const sent = (i = -1) => mock.bodies.at(i) as { messages: { role: string; content: string; reasoning_content?: string }[] } & Record<string, unknown>;

  it('streams, folds the thinking, and says what it took', async () => {
    mock.script = { pieces: [{ thinking: 'Let me ' }, { thinking: 'see.' }, { waitMs: 400, content: 'It is **4' }, { content: '**.' }], glimt: { end: 'end_token', prompt_tokens: 50, reused_tokens: 40, generated_tokens: 12, thinking_tokens: 5, drafted: 8, accepted: 6, context: 2048, decode_seconds: 0.1 } };
    await ask('2+2?');
    const thinking = last().locator('details.thinking');
    await page.waitForFunction(() => document.querySelector<HTMLDetailsElement>('details.thinking')?.open);
    expect(await thinking.locator('summary').innerText()).toMatch(/^Thinking/);
    await ended();
    expect(await thinking.evaluate((d: HTMLDetailsElement) => d.open)).toBe(false);
    expect(await thinking.locator('summary').innerText()).toMatch(/^Thought for .*5 tokens/);
    expect(await last().locator('strong').first().innerText()).toBe('4');
    const stats = await last().getByRole('list', { name: 'Statistics' }).innerText();
    for (const part of ['12 tokens', '110 tokens/s', 'to first token', '40 of 50 reused', '6 of 8 guesses stood', 'complete']) expect(stats).toContain(part);
    expect(await page.getByRole('meter', { name: 'Context in use' }).getAttribute('aria-valuenow')).toBe('62');
  });

  it('stops, keeps what came, and goes on', async () => {
    mock.script = { pieces: words('one two three four five six seven eight nine ten'), everyMs: 400 };
    await ask('count');
    await last().getByText('two').waitFor();
    await press('Stop');
    await ended();
    await expect.poll(() => mock.aborted).toBe(1);
    expect(await last().innerText()).toContain('stopped by you');
    mock.script = { pieces: [{ content: ' and so on.' }] };
    await press('Continue');
    await last().getByText('and so on').waitFor();
    expect(sent()).toMatchObject({ continue_final_message: true });
    expect(sent().messages.at(-1)).toMatchObject({ role: 'assistant' });
    expect(sent().messages.at(-1)!.content).toMatch(/^one two/);
  });

  it('edits, regenerates, and steps between versions', async () => {
    await asked('first');
    await page.getByRole('article', { name: 'You' }).hover();
    await press('Edit');
    await page.getByRole('textbox', { name: 'Edit message' }).fill('second');
    await page.keyboard.press('Enter');
    await ended();
    expect(sent().messages).toEqual([{ role: 'user', content: 'second' }]);
    await page.getByText('2/2').waitFor();
    await press('Regenerate');
    await ended();
    await last().getByText('2/2').waitFor();
    await page.getByRole('article', { name: 'You' }).getByRole('button', { name: 'Previous version' }).click();
    await page.getByText('first', { exact: true }).first().waitFor();
    expect(await last().getByText('2/2').count()).toBe(0);
    await page.reload();
    await page.getByRole('article', { name: 'You' }).getByText('1/2').waitFor();
  });

  it('forks, deletes with undo, renames, pins and searches', async () => {
    await asked('about oceans');
    await press('Fork a new conversation from here');
    const list = page.getByRole('navigation', { name: 'Conversations' });
    await expect.poll(() => list.getByRole('link').count()).toBe(2);
    await asked('and rivers');
    await list.getByRole('listitem').first().hover();
    await list.getByRole('button', { name: 'Rename' }).first().click();
    await page.getByRole('textbox', { name: 'New name' }).fill('Water');
    await page.keyboard.press('Enter');
    await list.getByRole('link', { name: 'Water' }).waitFor();
    await list.getByRole('link', { name: 'about oceans' }).click();
    await page.getByRole('searchbox', { name: 'Search conversations' }).fill('RIVERS');
    await expect.poll(() => list.getByRole('link').count()).toBe(1);
    expect(await list.getByRole('link').innerText()).toContain('and rivers');
    await page.getByRole('searchbox', { name: 'Search conversations' }).fill('');
    await list.getByRole('listitem').filter({ hasText: 'oceans' }).hover();
    await list.getByRole('listitem').filter({ hasText: 'oceans' }).getByRole('button', { name: 'Pin' }).click();
    await list.getByRole('heading', { name: 'Pinned' }).waitFor();
    await list.getByRole('listitem').filter({ hasText: 'Water' }).hover();
    await list.getByRole('listitem').filter({ hasText: 'Water' }).getByRole('button', { name: 'Delete conversation' }).click();
    await expect.poll(() => list.getByRole('link').count()).toBe(1);
    await press('Undo');
    await list.getByRole('link', { name: 'Water' }).waitFor();
  });

  it('deletes a message with what follows, and brings it back', async () => {
    await asked('one');
    await asked('two');
    await page.getByRole('article', { name: 'You' }).last().hover();
    await page.getByRole('article', { name: 'You' }).last().getByRole('button', { name: 'Delete' }).click();
    await expect.poll(() => answers().count()).toBe(1);
    await press('Undo');
    await expect.poll(() => answers().count()).toBe(2);
  });

  it('shows calls as they are written and hands results back', async () => {
    mock.script = { pieces: [{ call: { index: 0, id: 'c0', name: 'get_weather' } }, { call: { index: 0, args: '{"city": ' } }, { waitMs: 300, call: { index: 0, args: '"Oslo"}' } }, { call: { index: 1, id: 'c1', name: EVIL, args: '{}' } }], finish: 'tool_calls' };
    await ask('weather');
    await last().getByText('{"city":').waitFor();
    await ended();
    mock.script = { pieces: [{ content: 'Cold.' }] };
    const card = (name: string | RegExp) => page.getByRole('region', { name });
    await card('Call of get_weather').getByRole('textbox').fill('-3');
    await card('Call of get_weather').getByRole('button', { name: 'Give result' }).click();
    expect(await answers().count()).toBe(1); // the other call has no result yet
    await card(/Call of <img/).getByRole('textbox').fill('x');
    await card(/Call of <img/).getByRole('button', { name: 'Give result' }).click();
    await last().getByText('Cold.').waitFor();
    expect(sent().messages.slice(1)).toMatchObject([{ role: 'assistant', tool_calls: [{ id: 'c0' }, { id: 'c1' }] }, { role: 'tool', tool_call_id: 'c0', content: '-3' }, { role: 'tool', tool_call_id: 'c1', content: 'x' }]);
  });

  it('shows markup everywhere as the text that it is', async () => {
    mock.script = { pieces: [{ thinking: EVIL }, { content: `${EVIL}\n\n[x](javascript:window.bad=3) ![y](https://elsewhere.example/z.png)\n\n\`\`\`html\n${EVIL}\n\`\`\`` }] };
    await page.locator('input[type=file]').first().setInputFiles({ name: `${EVIL.replaceAll('/', '')}.txt`, mimeType: 'text/plain', buffer: Buffer.from(EVIL) });
    await asked(EVIL);
    await last().locator('summary').click();
    await page.waitForTimeout(100);
    expect(await page.locator('article img, article script, nav img').count()).toBe(0);
    expect(await last().locator('a[href^="javascript"]').count()).toBe(0);
    expect(await page.getByRole('navigation', { name: 'Conversations' }).innerText()).toContain('<img');
    expect(await last().getByRole('link', { name: 'y' }).getAttribute('rel')).toContain('noopener');
  });

  it('takes text files by button, paste and drop, and says why it takes no others', async () => {
    await page.locator('input[type=file]').first().setInputFiles([{ name: 'a.csv', mimeType: 'text/csv', buffer: Buffer.from('1,2') }, { name: 'p.png', mimeType: 'image/png', buffer: Buffer.from('x') }]);
    await page.getByText('p.png is an image').waitFor();
    for (const kind of ['paste', 'drop']) {
      await box().evaluate((element, type) => {
        const data = new DataTransfer();
        data.items.add(new File(['text'], `${type}.md`, { type: 'text/markdown' }));
        element.dispatchEvent(type === 'paste' ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }) : new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
      }, kind);
      await page.getByText(`${kind}.md`).waitFor();
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
    mock.script = { status: 503, code: 'overloaded', message: 'the queue is full' };
    await ask('hi');
    await last().getByText('The server is busy. Trying again').waitFor();
    mock.script = { pieces: [{ content: 'At last.' }] };
    await last().getByText('At last.').waitFor();
  });

  it('tells of the queue, a loading model and a long prompt', async () => {
    const note = (glimt: object) => ({ raw: { choices: [], glimt }, waitMs: 250 });
    mock.script = { pieces: [note({ queued: 2 }), note({ loading: 0.4 }), note({ prefill: { done: 512, total: 2048 } }), { waitMs: 300, content: 'Done.' }] };
    await ask('hi');
    await last().getByText('place 2').waitFor();
    await last().getByText('40 %').waitFor();
    await last().getByText('512 of 2,048').waitFor();
    await last().getByText('Done.').waitFor();
  });

  it('keeps what came when the connection breaks, and what is typed when the server is gone', async () => {
    mock.script = { pieces: [...words('half of it'), { waitMs: 200, cut: true }] };
    await ask('tell');
    await last().getByText('What came until then is kept').waitFor();
    expect(await last().innerText()).toContain('half of it');
    mock.down = true;
    await asked('and now?');
    await last().getByText('The server does not answer.').waitFor();
    await page.getByText('what you type stays here').waitFor({ timeout: 10_000 });
    await box().fill('unsent words');
    await page.reload();
    await page.waitForFunction(() => (document.querySelector('textarea[aria-label=Message]') as HTMLTextAreaElement | null)?.value === 'unsent words');
    await page.getByText('half of it').waitFor();
    mock.down = false;
    mock.script = { pieces: [{ content: 'Back.' }] };
    await press('Try again');
    await last().getByText('Back.').waitFor();
  });

  it('shows an error in the middle, and a refusal with its reason', async () => {
    mock.script = { pieces: [{ content: 'abc' }, { raw: { error: { message: 'logits are broken', code: 'engine_failed' } } }] };
    await asked('hi');
    await last().getByText('logits are broken').waitFor();
    mock.script = { status: 400, message: 'tools[0]: no' };
    await asked('hi');
    await last().getByText('tools[0]: no').waitFor();
    mock.script = { status: 400, code: 'context_length_exceeded', message: 'prompt is too long: 9 tokens > 8 maximum' };
    await asked('hi');
    await last().getByText('no longer fits').waitFor();
  });

  it('asks for a key and keeps it only where the user wants that', async () => {
    mock.needsKey = 'secret';
    await page.reload();
    await page.getByText('This server wants an API key.').waitFor();
    await page.getByRole('textbox', { name: 'API key' }).fill('wrong');
    await press('Use key');
    await page.getByText('does not accept this key').waitFor();
    await page.getByRole('textbox', { name: 'API key' }).fill('secret');
    await press('Use key');
    await page.getByText('tokens of context').waitFor();
    await asked('hi');
    expect(await page.evaluate(() => JSON.stringify(localStorage) + JSON.stringify(sessionStorage))).not.toContain('secret');
    await page.reload();
    await page.getByRole('textbox', { name: 'API key' }).fill('secret');
    await page.getByLabel('Keep it in this browser').check();
    await press('Use key');
    await ended();
    await page.reload();
    await ended();
    expect(await page.getByText('wants an API key').count()).toBe(0);
  });

  it('shows an answer that a reload has broken off, and goes on with it', async () => {
    mock.script = { pieces: words('alpha beta gamma delta epsilon zeta eta theta iota'), everyMs: 250 };
    await ask('letters');
    await last().getByText('gamma').waitFor();
    await page.waitForTimeout(600);
    await page.reload();
    await last().getByText('interrupted').waitFor({ timeout: 10_000 });
    expect(await last().innerText()).toContain('alpha beta');
    mock.script = { pieces: [{ content: ' and the rest' }] };
    await press('Continue');
    await last().getByText('and the rest').waitFor();
  });

  it('does not lose what two tabs write at once', async () => {
    await asked('from one');
    const two = await open.context.newPage();
    await two.goto(page.url());
    await two.getByText('from one').first().waitFor();
    mock.script = { pieces: words('a slow answer in the first tab, word by word'), everyMs: 120 };
    await ask('slow');
    await two.getByText('Another tab is writing this answer.').waitFor();
    await two.getByRole('textbox', { name: 'Message' }).fill('from two');
    await ended();
    await two.getByText('word by word').waitFor();
    await page.getByRole('article', { name: 'You' }).last().hover();
    mock.script = { pieces: [{ content: 'x' }] };
    await Promise.all([two.getByRole('button', { name: 'Send' }).click(), asked('again from one')]);
    await two.getByRole('button', { name: 'Send' }).waitFor();
    await page.reload();
    await page.getByText('2/2').or(page.getByText('1/2')).first().waitFor();
    const all = async () => (await page.getByRole('article', { name: 'You' }).allTextContents()).join();
    let text = await all();
    await page.getByRole('button', { name: /version/ }).and(page.locator(':enabled')).first().click();
    text += await all();
    expect(text).toContain('from two');
    expect(text).toContain('again from one');
  });

  it('keeps nothing of a private chat', async () => {
    await press('New private chat');
    await page.getByText('Nothing of it is kept').waitFor();
    await asked('secret plans');
    expect(await page.getByRole('navigation').innerText()).not.toContain('secret');
    const kept = await page.evaluate(async () => {
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
    await page.reload();
    await page.getByText('What is on your mind?').waitFor();
  });

  it('exports and imports the whole tree, and copies Markdown', async () => {
    await open.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await asked('one');
    await press('Regenerate');
    await ended();
    await press('More');
    await page.getByRole('button', { name: 'Copy as Markdown' }).click();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('# one\n\n## You\n\none\n\n## Answer\n\nHello.\n');
    await press('Settings');
    await page.getByRole('tab', { name: 'Data' }).click();
    const [download] = await Promise.all([page.waitForEvent('download'), press('Export all')]);
    await page.locator('dialog input[type=file]').setInputFiles(await download.path().then((path) => path));
    await page.getByText('1 conversations imported').waitFor();
    await page.keyboard.press('Escape');
    const list = page.getByRole('navigation', { name: 'Conversations' });
    await expect.poll(() => list.getByRole('link').count()).toBe(2);
    await list.getByRole('link').last().click();
    await last().getByText('2/2').waitFor();
  });

  it('sends what is set, marks it and resets it', async () => {
    await press('Settings');
    await page.getByRole('textbox', { name: 'System prompt' }).fill('Be brief.');
    await page.getByRole('spinbutton', { name: 'Most tokens of thinking' }).fill('64');
    await page.getByRole('spinbutton', { name: 'Most tokens of thinking' }).blur();
    await page.getByRole('tab', { name: 'Sampling' }).click();
    await page.getByRole('textbox', { name: 'temperature' }).fill('7');
    await page.getByRole('textbox', { name: 'temperature' }).blur();
    await page.getByText('Out of range: 0 to 2.').waitFor();
    await page.getByRole('textbox', { name: 'temperature' }).fill('0.5');
    await page.getByRole('textbox', { name: 'repeat_penalty' }).fill('1.1');
    await page.getByRole('textbox', { name: 'seed' }).fill('42');
    await page.getByRole('textbox', { name: 'New stop string' }).fill('END');
    await page.keyboard.press('Enter');
    await page.getByRole('tab', { name: 'Output and tools' }).click();
    await page.getByRole('radio', { name: /^JSON schema/ }).check();
    await page.getByRole('textbox', { name: 'Tools as JSON' }).fill('[{"name": "f"},\n{"name": "f"}]');
    await page.getByText('There are two tools “f”.').waitFor();
    await page.getByRole('textbox', { name: 'Tools as JSON' }).fill('[{"name": "f"}]');
    await page.keyboard.press('Escape');
    await asked('hi');
    expect(sent()).toMatchObject({
      temperature: 0.5, repetition_penalty: 1.1, seed: 42, stop: ['END'], thinking: { budget_tokens: 64 }, tools: [{ function: { name: 'f' } }],
      response_format: { type: 'json_schema', json_schema: { schema: { type: 'object' } } },
    });
    expect(sent().messages[0]).toEqual({ role: 'system', content: 'Be brief.' });
    await press('Settings');
    await page.getByText('8 changed').waitFor();
    await page.getByRole('textbox', { name: 'Name of a preset' }).fill('mine');
    await page.keyboard.press('Enter');
    await press('Reset everything');
    await expect.poll(() => page.getByText('8 changed').count()).toBe(0);
    await page.getByRole('button', { name: 'mine', exact: true }).click();
    await page.getByText('8 changed').waitFor();
    await press('Reset everything');
    await page.getByRole('tab', { name: 'Output and tools' }).click();
    await page.getByRole('radio', { name: /^Regex/ }).check();
    await page.getByRole('textbox', { name: 'Pattern' }).fill('(');
    await page.getByText('Invalid regular expression').waitFor();
    await page.getByRole('textbox', { name: 'Pattern' }).fill('a+');
    await page.keyboard.press('Escape');
    await asked('again');
    expect(sent()).toMatchObject({ response_format: { type: 'regex', pattern: 'a+' } });
    expect(sent()).not.toHaveProperty('temperature');
  });

  it('looks inside and goes on from another token', async () => {
    mock.script = { pieces: words('The quick brown fox jumps over'), glimt: { prompt_tokens: 100, reused_tokens: 80, generated_tokens: 6, context: 2048, end: 'end_token', cut: { before: 'old text', after: 'new text' } } };
    await asked('go');
    await press('Look inside');
    await page.getByText('80 of 100 tokens of the prompt came from the cache.').waitFor();
    const token = page.locator('.token').nth(3);
    await token.hover();
    expect(await token.getAttribute('aria-label')).toBe('fox, 41%');
    expect(await page.locator('.token').nth(1).getAttribute('class')).toContain('guessed');
    await page.locator('.token').nth(2).focus();
    await page.keyboard.press('ArrowRight');
    mock.script = { pieces: words(' sits down') };
    await page.locator('.alternatives li', { hasText: 'perhaps' }).getByRole('button').click();
    await ended();
    expect(sent().messages.at(-1)).toMatchObject({ role: 'assistant', content: 'The quick brown perhaps' });
    expect(sent()).toMatchObject({ continue_final_message: true });
    await last().getByText('2/2').waitFor();
    await press('Look inside');
    await last().getByText('The quick brown perhaps sits down').waitFor();
  });

  it('does everything by keys, and gives the focus back', async () => {
    await asked('first');
    await page.keyboard.press('Alt+n');
    await page.getByText('What is on your mind?').waitFor();
    await asked('second');
    await page.keyboard.press('Alt+ArrowDown');
    await expect.poll(() => page.getByRole('article', { name: 'You' }).innerText()).toContain('first');
    await page.keyboard.press('Alt+ArrowUp');
    await expect.poll(() => page.getByRole('article', { name: 'You' }).innerText()).toContain('second');
    await page.keyboard.press('Alt+e');
    await page.getByRole('textbox', { name: 'Edit message' }).waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => box().evaluate((e) => e === document.activeElement)).toBe(true);
    await page.keyboard.press('Alt+t');
    await page.getByText('Thinking is off.').waitFor();
    await page.keyboard.press('Alt+k');
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Search conversations');
    await page.keyboard.press('Alt+m');
    await box().press('Shift+Enter');
    expect(await box().inputValue()).toBe('\n');
    await page.getByRole('button', { name: 'Keys' }).focus();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await page.keyboard.press('Escape');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain('Keys');
    mock.script = { pieces: words('a b c d e f g h i j k'), everyMs: 300 };
    await ask('slow');
    await last().getByText('b').waitFor();
    await page.keyboard.press('Escape');
    await ended();
    expect(await last().innerText()).toContain('stopped by you');
  });

  it('tells screen readers of whole sentences', async () => {
    const heard = page.locator('[aria-live=polite][aria-atomic=true]');
    mock.script = { pieces: [{ content: 'First sentence. And' }, { waitMs: 500, content: ' the **second** one' }, { waitMs: 300 }] };
    await ask('hi');
    await expect.poll(() => heard.textContent()).toBe('First sentence.');
    await ended();
    await expect.poll(() => heard.textContent()).toBe('And the second one');
  });

  it('speaks German and Chinese, light and dark', async () => {
    await press('Settings');
    await page.getByRole('tab', { name: 'Page' }).click();
    await page.getByRole('combobox', { name: 'Language' }).selectOption('de');
    await page.getByRole('radio', { name: 'Dunkel' }).check();
    expect(await page.evaluate(() => [document.documentElement.lang, getComputedStyle(document.body).backgroundColor])).toEqual(['de', 'rgb(24, 25, 24)']);
    await page.reload();
    await page.getByRole('textbox', { name: 'Nachricht' }).waitFor();
    const chinese = await watched(browser, url, { locale: 'zh-CN' });
    await chinese.page.goto(url);
    await chinese.page.getByRole('textbox', { name: '消息' }).waitFor();
    expect(chinese.faults).toEqual([]);
    await chinese.context.close();
  });

  it('shows right-to-left text from the right', async () => {
    mock.script = { pieces: [{ content: 'שלום עולם' }] };
    await asked('مرحبا بالعالم');
    const side = (selector: string) => page.locator(selector).first().evaluate((e) => getComputedStyle(e).direction);
    expect(await side('article.user .said')).toBe('rtl');
    expect(await side('article.answer .block')).toBe('rtl');
  });

  it('shows the state of the server, and asks only while it is seen', async () => {
    await page.getByRole('link', { name: 'Status' }).click();
    await page.getByText('46 blocks live').waitFor();
    await page.getByRole('cell', { name: 'waits 1.' }).waitFor();
    await page.getByText('the queue is full').waitFor();
    await page.getByRole('img', { name: /Tokens written: now/ }).waitFor();
    mock.down = true;
    await page.getByText('The server does not answer').waitFor();
    mock.down = false;
    await expect.poll(() => page.getByText('The server does not answer').count(), { timeout: 10_000 }).toBe(0);
    await press('New chat');
    let asks = 0;
    page.on('request', (r) => { if (r.url().endsWith('/v1/status')) asks++; });
    await page.waitForTimeout(1200);
    expect(asks).toBe(0);
  });
});
