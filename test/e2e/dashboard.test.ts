/** The dashboard in a real browser: accessibility, rules of the page, keyboard, and updates without a reload. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, it, type TestContext } from 'node:test';
import type Axe from 'axe-core';
import type { Page } from 'playwright-core';
import { dashboardPages } from '../support/dashboard-pages.ts';
import { startDashboardWorld } from '../support/dashboard-world.ts';
import { get } from '../support/http-client.ts';
import { looks, openTab, signIn, startBrowser } from './support/browser.ts';
import { hasPrograms } from './support/equipment.ts';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function start(t: TestContext, options: { minutes: number }) {
  const world = await startDashboardWorld(t, options);
  return { world, browser: await startBrowser(t) };
}

/** What axe finds wrong, with the elements that have it. */
async function violations(page: Page): Promise<readonly string[]> {
  await page.evaluate(axeSource);
  const found = await page.evaluate(() => (globalThis as unknown as { axe: typeof Axe }).axe.run());
  return found.violations.map(
    ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`,
  );
}

describe('each page in Chromium', () => {
  it('is accessible, keeps its rules and fits, in both widths and themes', async (t) => {
    if (!hasPrograms(t, ['chromium'])) return;
    const { world, browser } = await start(t, { minutes: 15 });
    for (const look of looks) {
      const { page, context, complaints } = await openTab(browser, look);
      await signIn(page, world);
      for (const { name, path } of dashboardPages) {
        const where = `${name}, ${look.width} pixels, ${look.theme}`;
        const answer = await page.goto(world.proxy.url + path(world));
        assert.equal(answer?.status(), 200, where);
        await page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true");
        assert.deepEqual(await violations(page), [], where);
        const width = await page.evaluate('document.documentElement.scrollWidth');
        assert.ok(Number(width) <= look.width, `${where}: ${width} pixels wide`);
        assert.deepEqual(complaints, [], where);
      }
      await context.close();
    }
  });

  it('is accessible before the sign-in, too', async (t) => {
    if (!hasPrograms(t, ['chromium'])) return;
    const { world, browser } = await start(t, { minutes: 0 });
    for (const look of looks) {
      const { page, complaints } = await openTab(browser, look);
      await page.goto(`${world.proxy.url}/ui/jobs`);
      assert.equal(new URL(page.url()).pathname, '/ui/sign-in');
      assert.deepEqual(await violations(page), []);
      assert.deepEqual(complaints, []);
    }
  });
});

describe('a person at the keyboard', () => {
  it('gets to the content at once, and to everything that can be used, and away again', async (t) => {
    if (!hasPrograms(t, ['chromium'])) return;
    const { world, browser } = await start(t, { minutes: 2 });
    const { page } = await openTab(browser);
    await signIn(page, world);
    await page.goto(`${world.proxy.url}/ui/jobs`);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate('document.activeElement.className'), 'skip');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate('document.activeElement.id'), 'content');

    await page.goto(`${world.proxy.url}/ui/access`);
    const wanted = await page.evaluate(
      `[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')].filter((one) => one.checkVisibility() && one.type !== 'hidden').length`,
    );
    const reached = new Set<unknown>();
    for (let n = 0; n <= Number(wanted); n += 1) {
      await page.keyboard.press('Tab');
      const [place, outline, name] = (await page.evaluate(
        `(() => { const one = document.activeElement; return [[...document.querySelectorAll('*')].indexOf(one), getComputedStyle(one).outlineStyle, one.localName]; })()`,
      )) as [number, string, string];
      // After the last element the browser itself has the focus.
      if (name !== 'body') assert.notEqual(outline, 'none', `what has the focus shows it: element ${place}`);
      reached.add(place);
    }
    assert.ok(reached.size >= Number(wanted), `${reached.size} of ${wanted} elements are reached`);
  });
});

describe('a page that is open', () => {
  it('shows what changes without a reload, keeps the focus, and stops when it is told to', async (t) => {
    if (!hasPrograms(t, ['chromium'])) return;
    const { world, browser } = await start(t, { minutes: 0 });
    const { page, complaints } = await openTab(browser);
    await signIn(page, world);
    await page.goto(`${world.proxy.url}/ui/requests`);
    await page.evaluate('globalThis.isSame = true');
    const summary = page.locator('#requests summary').first();
    await summary.focus();
    await get(`${world.proxy.url}/v2/quay.io/team/app/manifests/just-now`);
    await page.getByRole('cell').or(page.getByRole('rowheader')).filter({ hasText: 'just-now' }).waitFor();
    assert.equal(await page.evaluate('globalThis.isSame'), true);
    assert.equal(await page.evaluate('document.activeElement.localName'), 'summary');

    await page.getByRole('button', { name: 'Live' }).click();
    await page.getByRole('button', { name: 'Paused' }).and(page.getByTitle('Resume updates')).waitFor();
    const { page: other } = await openTab(browser);
    await signIn(other, world);
    await other.goto(`${world.proxy.url}/ui/requests`);
    await get(`${world.proxy.url}/v2/quay.io/team/app/manifests/later`);
    await other.getByText('later').first().waitFor();
    assert.equal(await page.getByText('later').count(), 0, 'the page that is paused stays as it is');
    await page.getByRole('button', { name: 'Paused' }).click();
    await page.getByText('later').first().waitFor();
    await page.getByTitle('Pause updates').waitFor();
    assert.deepEqual(complaints, []);
  });

  it('never makes markup of what clients and registries say', async (t) => {
    if (!hasPrograms(t, ['chromium'])) return;
    const { world, browser } = await start(t, { minutes: 0 });
    const { page, complaints } = await openTab(browser);
    await signIn(page, world);
    const hostile = '<img src=x onerror="globalThis.isBroken=true"><script>globalThis.isBroken=true</script>';
    await page.goto(`${world.proxy.url}/ui/requests`);
    await get(`${world.proxy.url}/v2/${encodeURIComponent(hostile)}/manifests/1`, {
      headers: { 'user-agent': hostile },
    });
    await page.getByText('%3Cimg').first().waitFor();
    for (const path of [
      'requests',
      'images',
      'jobs',
      'explain',
      'image',
      'access',
      'endpoints',
      'sync',
      'editor',
    ]) {
      const names = ['q', 'state', 'reference', 'who', 'image', 'host', 'file', 'notice'];
      const fields = Object.fromEntries(names.map((name) => [name, hostile]));
      await page.goto(`${world.proxy.url}/ui/${path}?${new URLSearchParams(fields)}`);
      assert.equal(await page.locator('main img, main script').count(), 0, path);
      assert.equal(await page.evaluate('globalThis.isBroken'), undefined, path);
    }
    assert.deepEqual(
      complaints.filter((one) => !/400/.test(one)),
      [],
    );
  });
});

describe('a browser without JavaScript', () => {
  it('reads pages, finds images, changes the theme and makes a token', async (t) => {
    if (!hasPrograms(t, ['chromium'])) return;
    const { world, browser } = await start(t, { minutes: 2 });
    const { page } = await openTab(browser, { width: 390, theme: 'light' }, { script: false });
    await signIn(page, world);
    await page.getByText('Menu').click();
    await page.getByRole('link', { name: 'Images' }).click();
    await page.getByRole('searchbox').fill('alpine');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByRole('link', { name: 'docker.io/library/alpine:3.22' }).click();
    await page.getByRole('heading', { name: 'docker.io/library/alpine:3.22' }).waitFor();
    await page.getByText('Menu').click();
    await page.getByRole('button', { name: 'Dark' }).click();
    assert.equal(await page.locator('html').getAttribute('data-theme'), 'dark');
    await page.goto(`${world.proxy.url}/ui/access`);
    await page.getByLabel('Name').fill('laptop');
    await page.getByRole('textbox', { name: 'Images' }).fill('docker.io/**');
    await page.getByRole('button', { name: 'Make token' }).click();
    assert.match((await page.locator('#secret').textContent()) ?? '', /^entrepot_/);
  });
});
