// Brings the page to one state after the other, in any language: for axe-core, for the words, for pictures.
import type { Page } from 'playwright-core';
import { tables, type Language } from '../src/i18n';
import { words, type Script } from './mock';
import type { Scene } from './scene';

export interface SeenState {
  name: string;
  page: Page;
}

const RICH = '# A *title*\n\n- [x] 1\n\n```python\ndef f(x: int) -> str:\n    return "a" + str(1)  # note\n```\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\n$x^2$, [link](https://e.example), `code`[^1].\n\n> quoted\n\n[^1]: note.\n';
const GLIMT = { prompt_tokens: 1800, reused_tokens: 80, generated_tokens: 90, thinking_tokens: 4, drafted: 9, accepted: 5, context: 2048, end: 'length', cut: { before: '1', after: '2' } };
const note = (glimt: object): Script['pieces'] => [{ raw: { choices: [], glimt } }, { waitMs: 60_000, content: '1' }];

// Each state is yielded while it is to be seen.
export async function* states(s: Scene, language: Language = 'en'): AsyncGenerator<SeenState> {
  const { page } = s;
  const w = tables[language];
  const button = (name: string) => page.getByRole('button', { name, exact: true });
  const last = () => page.getByRole('article', { name: w.answer }).last();
  const at = (name: string): SeenState => ({ name, page });
  const ended = () => button(w.send).waitFor({ timeout: 20_000 });
  async function ask(text: string): Promise<void> {
    await page.getByRole('textbox', { name: w.message }).fill(text);
    await button(w.send).click();
  }
  const stop = async () => { await button(w.stop).click(); await ended(); };

  yield at('empty');
  await button(w.newPrivate).click();
  await page.getByText(w.emptyPrivate).waitFor();
  yield at('private');
  await button(w.newChat).first().click();

  for (const [name, glimt] of [['queue', { queued: 2 }], ['loading', { loading: 0.4 }], ['prompt', { prefill: { done: 512, total: 2048 } }]] as const) {
    s.mock.script = { pieces: note(glimt) };
    await ask('1');
    await last().getByText(name === 'queue' ? /2/ : name === 'loading' ? /40/ : /512/).first().waitFor();
    yield at(name);
    await stop();
    await button(w.newChat).first().click();
  }

  s.mock.script = { pieces: [{ thinking: '1 + 1' }, { waitMs: 60_000, content: '2' }] };
  await ask('1');
  await last().getByText('1 + 1').waitFor();
  yield at('thinking');
  await stop();
  await button(w.newChat).first().click();

  s.mock.script = { pieces: [{ thinking: '1.' }, ...words(RICH)], glimt: GLIMT };
  await ask('1');
  await ended();
  await last().locator('details.thinking summary').click();
  yield at('answer');
  await button(w.more).click();
  yield at('menu');
  await page.keyboard.press('Escape');
  await button(w.edit).first().focus();
  await page.keyboard.press('Enter');
  await page.getByRole('textbox', { name: w.editMessage }).waitFor();
  yield at('edit');
  await page.keyboard.press('Escape');
  await button(w.inside).click();
  await page.locator('.token').nth(3).focus();
  yield at('inside');
  await button(w.inside).click();

  await page.locator('input[type=file]').first().setInputFiles([
    { name: '1.txt', mimeType: 'text/plain', buffer: Buffer.from('1') }, { name: '2.png', mimeType: 'image/png', buffer: Buffer.from('2') },
  ]);
  await page.locator('.refusal').waitFor();
  yield at('files');
  s.mock.script = { pieces: [{ call: { index: 0, id: 'c', name: '3', args: '{"1": 1}' } }, { call: { index: 1, id: 'd', name: '4', args: '{}' } }], finish: 'tool_calls' };
  await ask('2');
  await ended();
  const result = page.getByRole('textbox', { name: w.toolResult.replace('{name}', '3') });
  await result.fill('5');
  await result.press('Control+Enter');
  await page.getByRole('article', { name: w.resultOf.replace('{name}', '3') }).waitFor();
  yield at('tool');

  s.mock.script = { pieces: [{ content: '1' }, { waitMs: 200, cut: true }] };
  await ask('3');
  await last().getByRole('alert').waitFor();
  yield at('error');
  s.mock.script = { status: 503, code: 'overloaded', message: '1' };
  await ask('4');
  await last().getByText(/1/).first().waitFor();
  yield at('busy');
  await stop();

  await page.getByRole('searchbox').fill('zzz');
  await page.getByText(w.noHits).waitFor();
  yield at('nothing found');
  await page.getByRole('searchbox').fill('');
  await button(w.deleteConversation).first().focus();
  await page.keyboard.press('Enter');
  await page.getByText(w.conversationDeleted).waitFor();
  yield at('toast');
  await button(w.undo).click({ timeout: 1000 }).catch(() => {}); // it may be gone by now

  await page.keyboard.press('Alt+,');
  for (const name of ['system', 'sampling', 'output', 'page', 'data'] as const) {
    await page.getByRole('tab', { name: w.tabs[name] }).click();
    yield at(`settings: ${name}`);
  }
  await page.keyboard.press('Escape');
  await button(w.inside).focus();
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: w.keys }).waitFor();
  yield at('keys');
  await page.keyboard.press('Escape');

  await page.goto(`${s.url}/#/status`);
  await page.locator('.stack').waitFor();
  yield at('status');
  s.mock.loaded = false;
  await page.getByText(w.states.unloaded, { exact: true }).waitFor({ timeout: 10_000 });
  yield at('status, unloaded');
  s.mock.down = true;
  await page.locator('.banner').first().waitFor();
  yield at('server gone');
  s.mock.down = false;
  s.mock.needsKey = 'secret';
  await page.goto(`${s.url}/#/`);
  await page.reload();
  await page.getByLabel(w.apiKey).waitFor();
  yield at('key');
}
