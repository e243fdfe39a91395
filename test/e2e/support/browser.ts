/** Debian's Chromium, driven for the tests and screenshots of the dashboard. */
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import type { DashboardWorld } from '../../support/dashboard-world.ts';
import type { Cleanup } from '../../support/temp-folder.ts';
import { searchPath } from './programs.ts';

export interface Look {
  readonly width: number;
  readonly theme: 'light' | 'dark';
}

/** Each page is looked at in these. */
export const looks: readonly Look[] = [1280, 390].flatMap((width) =>
  (['light', 'dark'] as const).map((theme) => ({ width, theme })),
);

/** It ends with the test. */
export async function startBrowser(test: Cleanup): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    // Tests run as root, where Chromium refuses its sandbox.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    env: { PATH: searchPath, HOME: '/nonexistent' },
  });
  test.after(() => browser.close());
  return browser;
}

export interface Tab {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the browser has complained about: blocked by a policy, thrown, or not found. */
  readonly complaints: string[];
}

/** A tab of its own profile. `script`: false for a browser without JavaScript. */
export async function openTab(
  browser: Browser,
  { width, theme }: Look = { width: 1280, theme: 'light' },
  { script = true } = {},
): Promise<Tab> {
  const context = await browser.newContext({
    viewport: { width, height: 800 },
    colorScheme: theme,
    javaScriptEnabled: script,
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || /Content.Security.Policy|Trusted/i.test(message.text()))
      complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return { page, context, complaints };
}

/** By the form, as a person does. */
export async function signIn(page: Page, { proxy, account, password }: DashboardWorld): Promise<void> {
  await page.goto(`${proxy.url}/ui/sign-in`);
  await page.getByLabel('Account').fill(account);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${proxy.url}/ui`);
}
