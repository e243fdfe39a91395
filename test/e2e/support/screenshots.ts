/**
 * `npm run screenshots`: the pages of the dashboard as pictures, into docs/screenshots. Each page in the light theme at 1280 pixels, and
 * the first one in the dark theme and on a narrow screen, too. Another folder can be named, and `all` for every look. With pngquant
 * (Debian's package) they take a third of the space.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { dashboardPages } from '../../support/dashboard-pages.ts';
import { startDashboardWorld } from '../../support/dashboard-world.ts';
import { run } from '../../support/processes.ts';
import { looks, openTab, signIn, startBrowser } from './browser.ts';
import { missing } from './programs.ts';

/** Pixels: long lists end there. */
const tallest = 1100;

const [folder = join(import.meta.dirname, '../../../docs/screenshots'), which] = process.argv.slice(2);
const ends: (() => unknown)[] = [];
const test = { after: (end: () => unknown) => void ends.push(end) };

mkdirSync(folder, { recursive: true });
try {
  const world = await startDashboardWorld(test, { minutes: 180 });
  const browser = await startBrowser(test);
  for (const look of looks) {
    const isUsual = look.width === 1280 && look.theme === 'light';
    const { page, context } = await openTab(browser, look);
    await signIn(page, world);
    for (const { name, path } of dashboardPages) {
      if (which !== 'all' && !isUsual && name !== 'overview') continue;
      await page.goto(world.proxy.url + path(world));
      const suffix = isUsual ? '' : `-${look.width}-${look.theme}`;
      const height = Number(await page.evaluate('document.documentElement.scrollHeight'));
      const clip = { x: 0, y: 0, width: look.width, height: Math.min(height, tallest) };
      await page.screenshot({ path: join(folder, `${name}${suffix}.png`), fullPage: true, clip });
    }
    await context.close();
  }
} finally {
  for (const end of ends.reverse()) await end();
}

const pictures = readdirSync(folder).filter((name) => name.endsWith('.png'));
if (missing(['pngquant']).length === 0) {
  const flags = ['--force', '--skip-if-larger', '--strip', '--ext', '.png', '--speed', '1', '128'];
  await run('pngquant', [...flags, ...pictures.map((name) => join(folder, name))]);
}
