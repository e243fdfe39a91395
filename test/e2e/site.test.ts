/** The site in a real browser, opened from a folder and from a server: search, theme, policy, and the rules of accessibility. */
import assert from 'node:assert/strict';
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { buildSite } from '../../deploy/site/build.ts';
import { listen } from '../support/listener.ts';
import { hasPrograms } from './support/equipment.ts';
import { missing } from './support/programs.ts';
import { openSite, type Site } from './support/site.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core'), 'utf8');
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

describe('the site in a browser', () => {
  let place: Site;
  let browser: Browser;
  let folder: string;
  let served: string;

  before(async () => {
    if (missing(['chromium']).length > 0) return;
    place = await openSite();
    folder = join(place.folder('site'), 'site');
    buildSite(folder);
    const server = await listen({}, (request, response) => {
      const file = join(folder, new URL(request.url ?? '/', 'http://site').pathname);
      if (!existsSync(file) || !statSync(file).isFile()) return void response.writeHead(404).end();
      response.writeHead(200, { 'content-type': types[extname(file)] ?? 'text/plain' });
      createReadStream(file).pipe(response);
    });
    place.own({ stop: async () => server.close() });
    served = server.url;
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
    place.own({ stop: () => browser.close() });
  });
  after(() => place?.close());

  /** A page whose console stays silent. */
  async function open(url: string, options: Parameters<Browser['newPage']>[0] = {}): Promise<Page> {
    const page = await browser.newPage(options);
    const complain = (text: string) => assert.fail(`${url}: ${text}`);
    page.on('console', (message) => complain(message.text()));
    page.on('pageerror', (error) => complain(error.message));
    await page.goto(url);
    return page;
  }

  for (const [how, root] of [
    ['from a folder', () => pathToFileURL(folder).href],
    ['from a server', () => served],
  ] as const) {
    test(`search finds a section ${how}, and leads to it`, async (t) => {
      if (!hasPrograms(t, ['chromium'])) return;
      const page = await open(`${root()}/docs/access.html`);
      await page.keyboard.press('/');
      await page.keyboard.type('quick start containerd');
      await page.locator('.results a').first().waitFor();
      await page.keyboard.press('Enter');
      await page.waitForURL(/quick-starts\/containerd\.html/);
      assert.equal(await page.locator('h1').count(), 1);
      await page.close();
    });
  }

  test('the theme follows the system until the reader chooses, and the choice stays', async (t) => {
    if (!hasPrograms(t, ['chromium'])) return;
    const page = await open(`${served}/index.html`, { colorScheme: 'dark' });
    const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const dark = await ground();
    await page.locator('.theme').click();
    const light = await ground();
    assert.notEqual(light, dark);
    await page.goto(`${served}/docs/access.html`);
    assert.equal(await ground(), light);
    await page.close();
  });

  test('pages break no rule of axe, wide and narrow, dark and light', async (t) => {
    if (!hasPrograms(t, ['chromium'])) return;
    for (const colorScheme of ['dark', 'light'] as const) {
      for (const width of [1280, 390]) {
        for (const path of ['index.html', 'docs/clients.html', 'docs/quick-starts/docker.html']) {
          const page = await open(`${served}/${path}`, { colorScheme, viewport: { width, height: 900 } });
          assert.equal(await page.locator('nav a').first().isVisible(), width > 1000, `${path} at ${width}`);
          await page.evaluate(axe);
          const found = await page.evaluate('axe.run()');
          const { violations } = found as { violations: { id: string; nodes: { html: string }[] }[] };
          const told = violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
          assert.deepEqual(told, [], `${path} ${colorScheme} ${width}`);
          const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
          assert.ok(overflow <= 0, `${path} is ${overflow} px too wide at ${width}`);
          await page.close();
        }
      }
    }
  });
});
