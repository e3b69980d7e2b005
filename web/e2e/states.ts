// Brings the page to one state after the other, in any language: for axe-core, for the words, for pictures.
import type { Page } from 'playwright-core';
import { tables, type Language, type Words } from '../src/i18n';
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
  const walk = new Walk(s, language);
  yield* walk.beforeAnswers();
  yield* walk.answers();
  yield* walk.tools();
  yield* walk.failures();
  yield* walk.lists();
  yield* walk.dialogs();
  yield* walk.server();
}

class Walk {
  readonly #page: Page;
  readonly #w: Words;

  constructor(private readonly s: Scene, language: Language) {
    this.#page = s.page;
    this.#w = tables[language];
  }

  #at = (name: string): SeenState => ({ name, page: this.#page });
  #button = (name: string) => this.#page.getByRole('button', { name, exact: true });
  #last = () => this.#page.getByRole('article', { name: this.#w.answer }).last();
  #ended = () => this.#button(this.#w.send).waitFor({ timeout: 20_000 });

  async #ask(text: string): Promise<void> {
    await this.#page.getByRole('textbox', { name: this.#w.message }).fill(text);
    await this.#button(this.#w.send).click();
  }

  async #stop(): Promise<void> {
    await this.#button(this.#w.stop).click();
    await this.#ended();
  }

  async *beforeAnswers(): AsyncGenerator<SeenState> {
    yield this.#at('empty');
    await this.#button(this.#w.newPrivate).click();
    await this.#page.getByText(this.#w.emptyPrivate).waitFor();
    yield this.#at('private');
    const waits: [string, Script['pieces'], string | RegExp][] = [
      ['queue', note({ queued: 2 }), /2/], ['loading', note({ loading: 0.4 }), /40/], ['prompt', note({ prefill: { done: 512, total: 2048 } }), /512/],
      ['thinking', [{ thinking: '1 + 1' }, { waitMs: 60_000, content: '2' }], '1 + 1'],
    ];
    for (const [name, pieces, text] of waits) {
      await this.#button(this.#w.newChat).first().click();
      this.s.mock.script = { pieces };
      await this.#ask('1');
      await this.#last().getByText(text).first().waitFor();
      yield this.#at(name);
      await this.#stop();
    }
  }

  async *answers(): AsyncGenerator<SeenState> {
    await this.#button(this.#w.newChat).first().click();
    this.s.mock.script = { pieces: [{ thinking: '1.' }, ...words(RICH)], glimt: GLIMT };
    await this.#ask('1');
    await this.#ended();
    await this.#last().locator('details.thinking summary').click();
    yield this.#at('answer');
    await this.#button(this.#w.more).click();
    yield this.#at('menu');
    await this.#page.keyboard.press('Escape');
    await this.#button(this.#w.edit).first().focus();
    await this.#page.keyboard.press('Enter');
    await this.#page.getByRole('textbox', { name: this.#w.editMessage }).waitFor();
    yield this.#at('edit');
    await this.#page.keyboard.press('Escape');
    await this.#button(this.#w.inside).click();
    await this.#page.locator('.token').nth(3).focus();
    yield this.#at('inside');
    await this.#button(this.#w.inside).click();
  }

  async *tools(): AsyncGenerator<SeenState> {
    await this.#page.locator('input[type=file]').first().setInputFiles([
      { name: '1.txt', mimeType: 'text/plain', buffer: Buffer.from('1') }, { name: '2.png', mimeType: 'image/png', buffer: Buffer.from('2') },
    ]);
    await this.#page.locator('.refusal').waitFor();
    yield this.#at('files');
    this.s.mock.script = { pieces: [{ call: { index: 0, id: 'c', name: '3', args: '{"1": 1}' } }, { call: { index: 1, id: 'd', name: '4', args: '{}' } }], finish: 'tool_calls' };
    await this.#ask('2');
    await this.#ended();
    const result = this.#page.getByRole('textbox', { name: this.#w.toolResult.replace('{name}', '3') });
    await result.fill('5');
    await result.press('Control+Enter');
    await this.#page.getByRole('article', { name: this.#w.resultOf.replace('{name}', '3') }).waitFor();
    yield this.#at('tool');
  }

  async *failures(): AsyncGenerator<SeenState> {
    this.s.mock.script = { pieces: [{ content: '1' }, { waitMs: 200, cut: true }] };
    await this.#ask('3');
    await this.#last().getByRole('alert').waitFor();
    yield this.#at('error');
    this.s.mock.script = { status: 503, code: 'overloaded', message: '1' };
    await this.#ask('4');
    await this.#last().getByText(/1/).first().waitFor();
    yield this.#at('busy');
    await this.#stop();
  }

  async *lists(): AsyncGenerator<SeenState> {
    await this.#page.getByRole('searchbox').fill('zzz');
    await this.#page.getByText(this.#w.noHits).waitFor();
    yield this.#at('nothing found');
    await this.#page.getByRole('searchbox').fill('');
    await this.#button(this.#w.deleteConversation).first().focus();
    await this.#page.keyboard.press('Enter');
    await this.#page.getByText(this.#w.conversationDeleted).waitFor();
    yield this.#at('toast');
    await this.#button(this.#w.undo).click({ timeout: 1000 }).catch(() => {}); // it may be gone by now
  }

  async *dialogs(): AsyncGenerator<SeenState> {
    await this.#page.keyboard.press('Alt+,');
    for (const name of ['system', 'sampling', 'output', 'page', 'data'] as const) {
      await this.#page.getByRole('tab', { name: this.#w.tabs[name] }).click();
      yield this.#at(`settings: ${name}`);
    }
    await this.#page.keyboard.press('Escape');
    await this.#page.locator('dialog').waitFor({ state: 'detached' });
    await this.#button(this.#w.inside).focus();
    await this.#page.keyboard.press('?');
    await this.#page.getByRole('dialog', { name: this.#w.keys }).waitFor();
    yield this.#at('keys');
    await this.#page.keyboard.press('Escape');
  }

  async *server(): AsyncGenerator<SeenState> {
    const { mock, url } = this.s;
    await this.#page.goto(`${url}/#/status`);
    await this.#page.locator('.stack').waitFor();
    yield this.#at('status');
    mock.loaded = false;
    await this.#page.getByText(this.#w.states.unloaded, { exact: true }).waitFor({ timeout: 10_000 });
    yield this.#at('status, unloaded');
    mock.down = true;
    await this.#page.locator('.banner').first().waitFor();
    yield this.#at('server gone');
    mock.down = false;
    mock.needsKey = 'secret';
    await this.#page.goto(`${url}/#/`);
    await this.#page.reload();
    await this.#page.getByLabel(this.#w.apiKey).waitFor();
    yield this.#at('key');
  }
}
