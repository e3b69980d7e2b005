// A browser with the page and the scripted server behind it, anew for each test of a file, and what users do there.
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { launch, watched, type Watched } from './browser';
import { Mock } from './mock';

export interface SentBody extends Record<string, unknown> {
  messages: { role: string; content: string; reasoning_content?: string }[];
}

export class Scene {
  browser!: Browser;
  mock!: Mock;
  url = '';
  open!: Watched;

  get page(): Page {
    return this.open.page;
  }

  async begin(options: BrowserContextOptions = {}): Promise<void> {
    this.mock = new Mock();
    this.url = await this.mock.start();
    this.open = await watched(this.browser, this.url, options);
    await this.page.goto(this.url);
    await this.ready();
  }

  // No error in the console, no report of the policy, no request elsewhere, nothing that ran though it is text.
  async end(): Promise<void> {
    expect(this.open.faults).toEqual([]);
    expect(await this.page.evaluate(() => (window as unknown as { bad?: number }).bad)).toBeUndefined();
    await this.open.context.close();
    this.mock.stop();
  }

  // The server's answers are there: its model stands under the title of an empty chat.
  ready = () => this.page.locator('.empty').getByText('demo').waitFor();
  box = () => this.page.getByRole('textbox', { name: 'Message' });
  answers = () => this.page.getByRole('article', { name: 'Answer' });
  last = () => this.answers().last();
  list = () => this.page.getByRole('navigation', { name: 'Conversations' });
  press = (name: string, exact = true) => this.page.getByRole('button', { name, exact }).last().click();
  ended = () => this.page.getByRole('button', { name: 'Send' }).waitFor({ timeout: 20_000 });

  async ask(text: string): Promise<void> {
    await this.box().fill(text);
    await this.box().press('Enter');
  }

  async asked(text: string): Promise<void> {
    await this.ask(text);
    await this.ended();
  }

  async tab(name: string): Promise<void> {
    await this.page.getByRole('tab', { name }).click();
  }

  sent(i = -1): SentBody {
    return this.mock.bodies.at(i) as SentBody;
  }
}

// For the tests of one describe().
export function scene(options: BrowserContextOptions = {}): Scene {
  const made = new Scene();
  beforeAll(async () => { made.browser = await launch(); });
  afterAll(() => made.browser?.close());
  beforeEach(() => made.begin(options));
  afterEach(() => made.end());
  return made;
}
