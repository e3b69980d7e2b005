// Debian's Chromium, and pages that note every error, every policy report and every request that leaves the origin.
import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Locator, type Page } from 'playwright-core';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
export const chromiumPath = process.env['CHROMIUM'] ?? PATHS.find((p) => existsSync(p));

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath ?? '',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

export interface Watched {
  context: BrowserContext;
  page: Page;
  faults: string[]; // must stay empty
}

export async function watched(browser: Browser, origin: string, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 800 }, ...options });
  const faults: string[] = [];
  // Chromium writes an error for most reports of the policy, not for all.
  await context.addInitScript(() => addEventListener('securitypolicyviolation', (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`)));
  const page = await context.newPage();
  watch(page, origin, faults);
  return { context, page, faults };
}

// Failed requests are told apart: a server that is down makes the browser write an error, and that is no fault of ours.
export function watch(page: Page, origin: string, faults: string[]): void {
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) faults.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !url.startsWith('data:') && !url.startsWith('blob:')) faults.push(`leaves the origin: ${url}`);
  });
}

// A row of the list shows its buttons while the mouse is over it. Rows move when a conversation changes, which may
// happen between the two: then once more.
export async function clickInRow(row: Locator, name: string): Promise<void> {
  for (let tries = 20; ; tries--) {
    await row.hover();
    try {
      return await row.getByRole('button', { name }).click({ timeout: 1000 });
    } catch (error) {
      if (tries === 0) throw error;
    }
  }
}
