// Settings, the look inside, keys, languages and the status view, in a browser against the scripted server.
import { describe, expect, it } from 'vitest';
import { chromiumPath, watched } from './browser';
import { words } from './mock';
import { scene } from './scene';

describe.skipIf(!chromiumPath)('the page', () => {
  const s = scene();
  const { box, last, press, ended } = s;
  const ask = (text: string) => s.ask(text);
  const asked = (text: string) => s.asked(text);
  const sent = (i = -1) => s.sent(i);

  it('sends what is set, marks it and resets it', async () => {
    await press('Settings');
    await s.page.getByRole('textbox', { name: 'System prompt' }).fill('Be brief.');
    await s.page.getByRole('spinbutton', { name: 'Most tokens of thinking' }).fill('64');
    await s.page.getByRole('spinbutton', { name: 'Most tokens of thinking' }).blur();
    await s.page.getByRole('tab', { name: 'Sampling' }).click();
    await s.page.getByRole('textbox', { name: 'temperature' }).fill('7');
    await s.page.getByRole('textbox', { name: 'temperature' }).blur();
    await s.page.getByText('Out of range: 0 to 2.').waitFor();
    await s.page.getByRole('textbox', { name: 'temperature' }).fill('0.5');
    await s.page.getByRole('textbox', { name: 'repeat_penalty' }).fill('1.1');
    await s.page.getByRole('textbox', { name: 'seed' }).fill('42');
    await s.page.getByRole('textbox', { name: 'New stop string' }).fill('END');
    await s.page.keyboard.press('Enter');
    await s.page.getByRole('tab', { name: 'Output and tools' }).click();
    await s.page.getByRole('radio', { name: /^JSON schema/ }).check();
    await s.page.getByRole('textbox', { name: 'Tools as JSON' }).fill('[{"name": "f"},\n{"name": "f"}]');
    await s.page.getByText('There are two tools “f”.').waitFor();
    await s.page.getByRole('textbox', { name: 'Tools as JSON' }).fill('[{"name": "f"}]');
    await s.page.keyboard.press('Escape');
    await asked('hi');
    expect(sent()).toMatchObject({
      temperature: 0.5, repetition_penalty: 1.1, seed: 42, stop: ['END'], thinking: { budget_tokens: 64 }, tools: [{ function: { name: 'f' } }],
      response_format: { type: 'json_schema', json_schema: { schema: { type: 'object' } } },
    });
    expect(sent().messages[0]).toEqual({ role: 'system', content: 'Be brief.' });
    await press('Settings');
    await s.page.getByText('8 changed').waitFor();
    await s.page.getByRole('textbox', { name: 'Name of a preset' }).fill('mine');
    await s.page.keyboard.press('Enter');
    await press('Reset everything');
    await expect.poll(() => s.page.getByText('8 changed').count()).toBe(0);
    await s.page.getByRole('button', { name: 'mine', exact: true }).click();
    await s.page.getByText('8 changed').waitFor();
    await press('Reset everything');
    await s.page.getByRole('tab', { name: 'Output and tools' }).click();
    await s.page.getByRole('radio', { name: /^Regex/ }).check();
    await s.page.getByRole('textbox', { name: 'Pattern' }).fill('(');
    await s.page.getByText('Invalid regular expression').waitFor();
    await s.page.getByRole('textbox', { name: 'Pattern' }).fill('a+');
    await s.page.keyboard.press('Escape');
    await asked('again');
    expect(sent()).toMatchObject({ response_format: { type: 'regex', pattern: 'a+' } });
    expect(sent()).not.toHaveProperty('temperature');
  });

  it('looks inside and goes on from another token', async () => {
    s.mock.script = { pieces: words('The quick brown fox jumps over'), glimt: { prompt_tokens: 100, reused_tokens: 80, generated_tokens: 6, context: 2048, end: 'end_token', cut: { before: 'old text', after: 'new text' } } };
    await asked('go');
    await press('Look inside');
    await s.page.getByText('80 of 100 tokens of the prompt came from the cache.').waitFor();
    const token = s.page.locator('.token').nth(3);
    await token.hover();
    expect(await token.getAttribute('aria-label')).toBe('fox, 41%');
    expect(await s.page.locator('.token').nth(1).getAttribute('class')).toContain('guessed');
    await s.page.locator('.token').nth(2).focus();
    await s.page.keyboard.press('ArrowRight');
    s.mock.script = { pieces: words(' sits down') };
    await s.page.locator('.alternatives li', { hasText: 'perhaps' }).getByRole('button').click();
    await ended();
    expect(sent().messages.at(-1)).toMatchObject({ role: 'assistant', content: 'The quick brown perhaps' });
    expect(sent()).toMatchObject({ continue_final_message: true });
    await last().getByText('2/2').waitFor();
    await press('Look inside');
    await last().getByText('The quick brown perhaps sits down').waitFor();
  });

  it('does everything by keys, and gives the focus back', async () => {
    await asked('first');
    await s.page.keyboard.press('Alt+n');
    await s.page.getByText('What is on your mind?').waitFor();
    await asked('second');
    await s.page.keyboard.press('Alt+ArrowDown');
    await expect.poll(() => s.page.getByRole('article', { name: 'You' }).innerText()).toContain('first');
    await s.page.keyboard.press('Alt+ArrowUp');
    await expect.poll(() => s.page.getByRole('article', { name: 'You' }).innerText()).toContain('second');
    await s.page.keyboard.press('Alt+e');
    await s.page.getByRole('textbox', { name: 'Edit message' }).waitFor();
    await s.page.keyboard.press('Escape');
    await expect.poll(() => box().evaluate((e) => e === document.activeElement)).toBe(true);
    await s.page.keyboard.press('Alt+t');
    await s.page.getByText('Thinking is off.').waitFor();
    await s.page.keyboard.press('Alt+k');
    expect(await s.page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Search conversations');
    await s.page.keyboard.press('Alt+m');
    await box().press('Shift+Enter');
    expect(await box().inputValue()).toBe('\n');
    await s.page.getByRole('button', { name: 'Keys' }).focus();
    await s.page.keyboard.press('?');
    await s.page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await s.page.keyboard.press('Escape');
    expect(await s.page.evaluate(() => document.activeElement?.textContent)).toContain('Keys');
    s.mock.script = { pieces: words('a b c d e f g h i j k'), everyMs: 300 };
    await ask('slow');
    await last().getByText('b').waitFor();
    await s.page.keyboard.press('Escape');
    await ended();
    expect(await last().innerText()).toContain('stopped by you');
  });

  it('tells screen readers of whole sentences', async () => {
    const heard = s.page.locator('[aria-live=polite][aria-atomic=true]');
    s.mock.script = { pieces: [{ content: 'First sentence. And' }, { waitMs: 500, content: ' the **second** one' }, { waitMs: 300 }] };
    await ask('hi');
    await expect.poll(() => heard.textContent()).toBe('First sentence.');
    await ended();
    await expect.poll(() => heard.textContent()).toBe('And the second one');
  });

  it('speaks German and Chinese, light and dark', async () => {
    await press('Settings');
    await s.page.getByRole('tab', { name: 'Page' }).click();
    await s.page.getByRole('combobox', { name: 'Language' }).selectOption('de');
    await s.page.getByRole('radio', { name: 'Dunkel' }).check();
    expect(await s.page.evaluate(() => [document.documentElement.lang, getComputedStyle(document.body).backgroundColor])).toEqual(['de', 'rgb(24, 25, 24)']);
    await s.page.reload();
    await s.page.getByRole('textbox', { name: 'Nachricht' }).waitFor();
    const chinese = await watched(s.browser, s.url, { locale: 'zh-CN' });
    await chinese.page.goto(s.url);
    await chinese.page.getByRole('textbox', { name: '消息' }).waitFor();
    expect(chinese.faults).toEqual([]);
    await chinese.context.close();
  });

  it('shows right-to-left text from the right', async () => {
    s.mock.script = { pieces: [{ content: 'שלום עולם' }] };
    await asked('مرحبا بالعالم');
    const side = (selector: string) => s.page.locator(selector).first().evaluate((e) => getComputedStyle(e).direction);
    expect(await side('article.user .said')).toBe('rtl');
    expect(await side('article.answer .block')).toBe('rtl');
  });

  it('shows the state of the server, and asks only while it is seen', async () => {
    await s.page.getByRole('link', { name: 'Status' }).click();
    await s.page.getByText('46 blocks live').waitFor();
    await s.page.getByRole('cell', { name: 'waits 1.' }).waitFor();
    await s.page.getByText('the queue is full').waitFor();
    await s.page.getByRole('img', { name: /Tokens written: now/ }).waitFor();
    s.mock.down = true;
    await s.page.getByText('The server does not answer').waitFor();
    s.mock.down = false;
    await expect.poll(() => s.page.getByText('The server does not answer').count(), { timeout: 10_000 }).toBe(0);
    await press('New chat');
    let asks = 0;
    s.page.on('request', (r) => { if (r.url().endsWith('/v1/status')) asks++; });
    await s.page.waitForTimeout(1200);
    expect(asks).toBe(0);
  });
});
