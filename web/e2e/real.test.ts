// The page that the program serves, with the demo model behind it.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { tables } from '../src/i18n';
import type { ServerSettings, StatusModel, StatusReport } from '../src/lib/server_types';
import { numberSettings } from '../src/lib/settings';
import { chromiumPath, launch, watched, type Watched } from './browser';

const ROOT = resolve(__dirname, '../..');
const GLIMT = process.env['GLIMT'] ?? resolve(ROOT, 'build/glimt');
const STORY = 'Tell me about the sea.';

class Served {
  url = '';
  readonly #environment: Record<string, string>;
  #process: ChildProcess | undefined;
  #port = 0;

  constructor(environment: Record<string, string> = {}) {
    this.#environment = environment;
  }

  // The port stays the same over restarts, as it does for a user.
  async start(): Promise<void> {
    const process_ = spawn(GLIMT, ['serve', 'models/demo', '--port', String(this.#port)], {
      cwd: ROOT,
      env: { ...process.env, ...this.#environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = process_;
    let said = '';
    await new Promise<void>((done, fail) => {
      const heard = (data: Buffer) => {
        said += String(data);
        const found = /(http:\/\/[\d.]+:(\d+))/.exec(said);
        if (!found) return;
        this.url = found[1]!;
        this.#port = Number(found[2]);
        done();
      };
      process_.stdout.on('data', heard);
      process_.stderr.on('data', heard);
      process_.on('exit', () => fail(new Error(`glimt serve ended: ${said}`)));
    });
    await vi.waitUntil(() => fetch(`${this.url}/health`).then((r) => r.ok, () => false), { timeout: 60_000 });
  }

  async kill(): Promise<void> {
    const gone = new Promise((done) => this.#process?.on('exit', done));
    this.#process?.removeAllListeners('exit');
    this.#process?.on('exit', () => {});
    this.#process?.kill('SIGKILL');
    await Promise.race([gone, new Promise((r) => setTimeout(r, 1000))]);
  }

  async #models(): Promise<StatusModel[]> {
    return ((await (await fetch(`${this.url}/v1/status`)).json()) as StatusReport).models ?? [];
  }

  async running(): Promise<number> {
    return (await this.#models()).reduce((all, m) => all + (m.metrics?.running ?? 0), 0);
  }

  async loaded(): Promise<string[]> {
    return (await this.#models()).map((m) => m.name);
  }
}

describe.skipIf(!chromiumPath || !existsSync(GLIMT))('the served page', () => {
  const served = new Served();
  // On plain MLX operations, which are slow: our kernels fill the demo model's context before anybody could stop them.
  const slow = new Served({ GLIMT_BACKEND: 'mlx' });
  let browser: Browser;
  let open: Watched;
  let page: Page;

  beforeAll(async () => {
    await served.start();
    await slow.start();
    browser = await launch();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await served.kill();
    await slow.kill();
  });
  beforeEach(async () => {
    open = await watched(browser, served.url);
    page = open.page;
    await page.goto(served.url);
    await page.getByText('tokens of context').waitFor({ timeout: 30_000 });
  });
  afterEach(async () => {
    expect(open.faults).toEqual([]);
    await open.context.close();
  });

  const answers = () => page.getByRole('article', { name: 'Answer' });
  const ended = () => page.getByRole('button', { name: 'Send' }).waitFor({ timeout: 40_000 });
  async function ask(text: string): Promise<void> {
    await page.getByRole('textbox', { name: 'Message' }).fill(text);
    await page.getByRole('button', { name: 'Send' }).click();
  }

  it('answers, with its thinking and its numbers', async () => {
    await ask('What is 46 plus 93?');
    await ended();
    expect(await answers().last().textContent()).toContain('139');
    expect(await answers().last().locator('details summary').first().innerText()).toMatch(/^Thought for .*tokens/);
    const stats = await answers().last().getByRole('list', { name: 'Statistics' }).innerText();
    for (const part of ['tokens/s', 'to first token', 'reused', 'complete']) expect(stats).toContain(part);
    await ask('What is 20 plus 30?');
    await ended();
    expect(await answers().count()).toBe(2);
    expect(await page.getByRole('meter', { name: 'Context in use' }).getAttribute('aria-valuemax')).toBe('2048');
  });

  it('calls a tool and reads its result', async () => {
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByRole('tab', { name: 'Output and tools' }).click();
    await page.getByRole('button', { name: 'Insert an example' }).click();
    await page.keyboard.press('Escape');
    await ask('What is the weather in Oslo?');
    const card = page.getByRole('region', { name: 'Call of get_weather' });
    await card.getByRole('textbox').waitFor({ timeout: 40_000 });
    expect(await card.innerText()).toContain('"Oslo"');
    await card.getByRole('textbox').fill('{"temperature": 7, "sky": "rain"}');
    await card.getByRole('button', { name: 'Give result' }).click();
    await expect.poll(() => answers().count()).toBe(2);
    await ended();
    expect(await page.getByRole('alert').count()).toBe(0);
  });

  // An answer that would go on for as long as the context holds.
  async function askForLong(): Promise<void> {
    await open.context.close();
    open = await watched(browser, slow.url);
    page = open.page;
    await page.goto(slow.url);
    await page.getByText('tokens of context').waitFor({ timeout: 30_000 });
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByRole('checkbox', { name: 'The model thinks before it answers' }).uncheck();
    await page.getByRole('tab', { name: 'Output and tools' }).click();
    await page.getByRole('radio', { name: /^Regex/ }).check();
    await page.getByRole('textbox', { name: 'Pattern' }).fill('([0-9] ){4000}');
    await page.keyboard.press('Escape');
    await ask('Count.');
    await answers().last().locator('.markdown').waitFor({ timeout: 20_000 });
  }

  it('tells how much of a long prompt is read', async () => {
    await open.context.close();
    open = await watched(browser, slow.url);
    page = open.page;
    await page.goto(slow.url);
    await page.getByText('tokens of context').waitFor({ timeout: 30_000 });
    // A quick machine shows it for less time than lies between two looks of a test, so the page itself takes notes.
    const shown = await page.evaluateHandle(() => {
      const texts: string[] = [];
      new MutationObserver(() => {
        const text = document.querySelector('.waiting')?.textContent;
        if (text && text !== texts.at(-1)) texts.push(text);
      }).observe(document.body, { subtree: true, childList: true, characterData: true });
      return texts;
    });
    await ask(Array.from({ length: 150 }, (_, i) => `What is ${i} plus ${i}?`).join(' '));
    await answers().last().locator('.markdown, .thinking').first().waitFor({ timeout: 40_000 });
    const reading = (await shown.jsonValue()).filter((text) => /^Reading the prompt, [\d,]+ of [\d,]+ tokens$/.test(text));
    expect(reading.length).toBeGreaterThan(0);
    await page.getByRole('button', { name: 'Stop' }).dispatchEvent('click', {}, { timeout: 2_000 }).catch(() => {}); // or it has ended
    await ended();
    await expect.poll(() => slow.running(), { timeout: 10_000 }).toBe(0);
  });

  it('stops the engine when the user stops', async () => {
    await askForLong();
    await page.getByRole('button', { name: 'Stop' }).dispatchEvent('click');
    await ended();
    await expect.poll(() => slow.running(), { timeout: 5_000 }).toBe(0);
    await answers().last().getByText('stopped by you').waitFor({ timeout: 10_000 });
  });

  const written = () => answers().last().locator('.markdown').innerText();

  it('keeps what came when the page is reloaded in the middle', async () => {
    await askForLong();
    const before = await written();
    await page.reload();
    await answers().last().getByText('This answer was interrupted.').waitFor({ timeout: 20_000 });
    expect((await written()).startsWith(before)).toBe(true);
    await expect.poll(() => slow.running(), { timeout: 10_000 }).toBe(0);
    await answers().last().getByRole('button', { name: 'Continue' }).waitFor();
  });

  it('keeps what came when the server is killed in the middle, and goes on with it', async () => {
    await askForLong();
    const before = await written();
    await slow.kill();
    await answers().last().getByText('What came until then is kept').waitFor({ timeout: 20_000 });
    await page.getByRole('textbox', { name: 'Message' }).fill('typed meanwhile');
    const kept = await written();
    expect(kept.startsWith(before)).toBe(true);
    await page.getByText('what you type stays here').waitFor({ timeout: 10_000 });
    await slow.start();
    await expect.poll(() => page.getByText('what you type stays here').count(), { timeout: 20_000 }).toBe(0);
    await answers().last().getByRole('button', { name: 'Continue' }).click();
    await expect.poll(async () => (await written()).length, { timeout: 20_000 }).toBeGreaterThan(kept.length);
    await page.getByRole('button', { name: 'Stop' }).dispatchEvent('click');
    await ended();
    expect((await written()).startsWith(kept)).toBe(true);
    expect(await page.getByRole('textbox', { name: 'Message' }).inputValue()).toBe('typed meanwhile');
  });

  it('looks inside a real answer', async () => {
    let answered = '';
    await page.route('**/v1/chat/completions', async (route) => {
      const response = await route.fetch();
      answered = await response.text();
      await route.fulfill({ response, body: answered });
    });
    await ask('What is 46 plus 93?');
    await ended();
    const guessed = answered.match(/"guessed": ?true/g)?.length ?? 0; // how many depends on what guessing costs here
    await page.getByRole('button', { name: 'Look inside' }).click();
    await page.locator('.token').first().focus();
    expect(await page.locator('.token').allTextContents().then((t) => t.join(''))).toContain('139');
    expect(await page.locator('.alternatives li').count()).toBeGreaterThan(1);
    expect(await page.locator('.token.guessed').count()).toBe(guessed);
    await page.locator('.alternatives li').nth(1).getByRole('button').click();
    await page.getByText('2/2').first().waitFor();
    await ended();
    expect(await page.getByRole('alert').count()).toBe(0);
  });

  it('has every setting of the engine with its default, and the server takes them all', async () => {
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByRole('tab', { name: 'Sampling' }).click();
    const set: Record<string, string> = {
      temperature: '0.8', top_k: '40', top_p: '0.9', min_p: '0.05', typical_p: '0.95', repeat_penalty: '1.1', presence_penalty: '0.1', frequency_penalty: '0.1',
      repeat_last_n: '64', dry_multiplier: '0.5', dry_base: '2', dry_allowed_length: '3', dry_last_n: '128', max_tokens: '40', seed: '7',
    };
    for (const [name, value] of Object.entries(set)) {
      await page.getByRole('textbox', { name, exact: true }).fill(value);
      await page.getByRole('textbox', { name, exact: true }).blur();
    }
    await page.keyboard.press('Escape');
    await ask(STORY);
    await ended();
    expect(await page.getByRole('alert').count()).toBe(0);
    expect(await answers().last().textContent()).toContain('tokens/s');
  });

  it('explains every number that the engine takes, in each language', async () => {
    const settings = (await (await fetch(`${served.url}/v1/settings`)).json()) as ServerSettings;
    const names = numberSettings(settings).map((n) => n.name);
    expect(names.length).toBeGreaterThan(12);
    for (const { name, help, default: value } of numberSettings(settings)) {
      expect(help, name).toBeTruthy();
      expect(value === null || typeof value === 'number', name).toBe(true);
    }
    for (const language of ['de', 'zh'] as const) expect(Object.keys(tables[language].settingHelp)).toEqual(expect.arrayContaining(names));
  });

  it('keeps an answer to the form that was asked for', async () => {
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByRole('checkbox', { name: 'The model thinks before it answers' }).uncheck();
    await page.getByRole('tab', { name: 'Output and tools' }).click();
    await page.getByRole('radio', { name: /^Regex/ }).check();
    await page.getByRole('textbox', { name: 'Pattern' }).fill('[0-9]{3}');
    await page.keyboard.press('Escape');
    await ask('What is 46 plus 93?');
    await ended();
    expect((await answers().last().locator('.markdown').innerText()).trim()).toMatch(/^[0-9]{3}$/);
  });

  it('shows what the engine does', async () => {
    await page.getByRole('link', { name: 'Status' }).click();
    const model = page.getByRole('region', { name: 'demo' });
    await model.getByText('free').first().waitFor();
    expect(await model.innerText()).toContain('loaded');
  });

  it('unloads the model and loads it again', async () => {
    await page.getByRole('link', { name: 'Status' }).click();
    const model = page.getByRole('region', { name: 'demo' });
    await model.getByRole('button', { name: 'Unload' }).click();
    await model.getByText('not loaded').waitFor({ timeout: 20_000 });
    await page.waitForTimeout(1500);
    expect(await served.loaded()).toEqual([]); // and nothing that the page asks loads it again
    await model.getByRole('button', { name: 'Load' }).click();
    await model.getByText('loaded', { exact: true }).waitFor({ timeout: 20_000 });
    await page.getByRole('button', { name: 'New chat' }).click();
    await ask('What is 46 plus 93?');
    await ended();
    expect(await answers().last().textContent()).toContain('139');
  });

  it('keeps everything when the server is away, and goes on when it is back', async () => {
    await ask('What is 46 plus 93?');
    await ended();
    await page.getByRole('textbox', { name: 'Message' }).fill(STORY);
    await served.kill();
    await page.getByRole('button', { name: 'Send' }).click();
    await answers().last().getByText('The server does not answer.').waitFor({ timeout: 20_000 });
    await page.getByRole('textbox', { name: 'Message' }).fill('typed meanwhile');
    expect(await answers().first().textContent()).toContain('139');
    await served.start();
    await answers().last().getByRole('button', { name: 'Try again' }).click();
    await ended();
    expect(await page.getByRole('alert').count()).toBe(0);
    expect(await page.getByRole('textbox', { name: 'Message' }).inputValue()).toBe('typed meanwhile');
  });
});
