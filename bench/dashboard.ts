/**
 * What open pages of the dashboard cost pulls: cached manifests with nothing open, and with fifty viewers that do what the script of the
 * pages does. Both are the same server. Processor time per request is compared, since it moves less than rates do on a shared machine.
 */
import { get, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { pull, rate } from './clients.ts';
import { repeat } from './cold.ts';
import { type Line, median } from './measure.ts';
import { processorTime } from './processes.ts';
import { manifestHeaders } from './rates.ts';
import type { Row } from './row.ts';
import { isInstalled } from './stage.ts';
import { startUpstream } from './upstream.ts';

const viewers = 50;
/** What a viewer looks at, and the changes after which it looks again. */
const pages = [
  { path: '/ui', kinds: 'overview conditions endpoints sample' },
  { path: '/ui/requests', kinds: 'requests' },
  { path: '/ui/transfers', kinds: 'transfers' },
  { path: '/ui/endpoints', kinds: 'endpoints requests' },
] as const;
/** ms between two looks of one viewer, as in `dashboard/assets/ui.js`. */
const pace = 3000;

const row: Row = {
  name: 'dashboard',
  asks: `cached manifests with and without ${viewers} viewers of the dashboard`,
  async run({ stage, start, quick, turns }) {
    const line = { row: 'dashboard', what: `${viewers} viewers`, unit: 'times' } as const;
    if (!isInstalled('wrk')) return [{ ...line, values: {}, note: 'needs wrk' }];
    const upstream = await startUpstream(stage, { images: repeat('1KiB', 4) });
    const paths = upstream.images.map((image) => image.byTag);
    const [peer] = await start({ ...upstream, toml: '[freshness]\ntag = "1h"\n' }, ['entrepot']);
    if (!peer) return [];
    for (const path of paths) await pull(peer.url + path);
    await upstream.quiet();
    const folder = stage.folder('wrk');
    const seconds = quick ? 3 : 10;
    const alone: number[] = [];
    const watched: number[] = [];
    let looks = 0;

    async function measure(): Promise<number> {
      const before = processorTime(peer!.pid);
      const { perSecond, failed } = await rate(folder, peer!.url, paths, {
        seconds,
        headers: manifestHeaders,
      });
      if (failed > 0) throw new Error(`${failed} requests failed`);
      return ((processorTime(peer!.pid) - before) / (perSecond * seconds)) * 1000;
    }

    async function withViewers(): Promise<number> {
      const crowd = openViewers(peer!.url);
      try {
        await crowd.ready;
        return await measure();
      } finally {
        looks += crowd.close();
      }
    }

    for (let turn = 0; turn <= turns; turn += 1) {
      const costs =
        turn % 2 === 0 ? [await measure(), await withViewers()] : [await withViewers(), await measure()];
      const [without, open] = turn % 2 === 0 ? costs : costs.toReversed();
      // The first turn warms up.
      if (turn === 0 || without === undefined || open === undefined) continue;
      alone.push(without);
      watched.push(open);
    }
    const base = median(alone);
    const note = `${base.toFixed(1)} us of processor time without viewers; ${looks} pages were read`;
    const lines: Line[] = [
      { ...line, values: { entrepot: median(watched) / base }, goals: [{ atMost: 1.02 }], note },
    ];
    return lines;
  },
};

/** Viewers whose pages are open: a stream of changes each, and the page again after a change. */
function openViewers(url: string): { readonly ready: Promise<unknown>; close(): number } {
  const ends: (() => void)[] = [];
  let looks = 0;
  let isClosed = false;

  async function look(path: string): Promise<void> {
    const html = await new Promise<string>((resolve, reject) => {
      get(`${url}${path}?part=main`, (answer) => resolve(text(answer))).on('error', reject);
    });
    if (!html.includes('data-live')) throw new Error(`${path} is no page: ${html.slice(0, 200)}`);
    looks += 1;
  }

  function open(n: number): Promise<void> {
    const { path, kinds } = pages[n % pages.length] as (typeof pages)[number];
    let isLooking = false;
    const changed = async () => {
      if (isLooking || isClosed) return;
      isLooking = true;
      await look(path).catch((error: unknown) => {
        if (!isClosed) throw error;
      });
      await wait(pace);
      isLooking = false;
    };
    return new Promise((resolve, reject) => {
      const stream = request(`${url}/ui/changes?kinds=${encodeURIComponent(kinds)}`, (answer) => {
        answer.on('error', () => {});
        answer.on('data', () => {
          resolve();
          void changed();
        });
      });
      stream.on('error', (error) => isClosed || reject(error));
      stream.end();
      ends.push(() => stream.destroy());
    });
  }

  const ready = Promise.all(Array.from({ length: viewers }, (_, n) => open(n)));
  return {
    ready,
    close() {
      isClosed = true;
      for (const end of ends) end();
      return looks;
    },
  };
}

export const dashboards: readonly Row[] = [row];
