/** Whether a very full cache is slower than an empty one: at requests, at start, at commands, and while it makes room. */

import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { run } from '../test/support/processes.ts';
import { pull, rate, walk } from './clients.ts';
import { repeat } from './cold.ts';
import { fillCache } from './full-cache.ts';
import { type Line, median } from './measure.ts';
import type { RunningPeer } from './peers/peer.ts';
import { memoryOf } from './processes.ts';
import { manifestHeaders as headers } from './rates.ts';
import type { Bench, Row } from './row.ts';
import { startUpstream } from './upstream.ts';

const main = join(import.meta.dirname, '..', 'src', 'main.ts');
const asked = 1000;
/** Contents that one cold blob of this size pushes out: a little more than 10,000. */
const large = '41MiB';

interface Site {
  readonly peer: RunningPeer;
  readonly data: string;
  readonly paths: readonly string[];
}

const scale: Row = {
  name: 'scale',
  asks: 'an index of 1,000,000 blobs, 200,000 manifests and 100,000 tags, beside one with 1,000 images',
  async run(bench) {
    const { stage, quick } = bench;
    const blobs = quick ? 100_000 : 1_000_000;
    const rounds = quick ? 1 : 5;
    const upstream = await startUpstream(stage, { blobs: repeat(large, rounds + 1), rate: '15000000' });
    const start = async (count: number): Promise<Site> => {
      const data = stage.folder('data');
      const full = fillCache(data, 'registry.test', { blobs: count, asked, real: rounds * 11_000 });
      const toml = `[freshness]\ntag = "24h"\n[cache]\nmax_size = "${full.bytes}B"\n`;
      const [peer] = await bench.start({ host: upstream.host, data, toml }, ['entrepot']);
      if (!peer) throw new Error('Entrepot was not started');
      return { peer, data, paths: full.asked };
    };
    const few = await start(5 * asked);
    const full = await start(blobs);
    for (const { peer, paths } of [few, full]) await walk(peer.url, paths.map(get));

    const row = `${blobs} blobs in the index`;
    const lines = [
      ...(await warmLines(bench, row, full, few)),
      ...(await startLines(row, full)),
      ...(await commandLines(row, full)),
      ...(await evictionLines(row, full, upstream.blobs)),
    ];
    return lines;
  },
};

export const scales: readonly Row[] = [scale];

function get(path: string) {
  return { method: 'GET' as const, path, headers };
}

/** The same 1,000 manifests by tag of both, in turns. */
async function warmLines(bench: Bench, row: string, full: Site, few: Site): Promise<Line[]> {
  const folder = bench.stage.folder('wrk');
  const seen = new Map<Site, { p99: number[]; perSecond: number[] }>(
    [full, few].map((site) => [site, { p99: [], perSecond: [] }]),
  );
  const order = [full, few];
  for (let turn = 0; turn <= Math.max(3, bench.turns); turn += 1) {
    for (const site of order.reverse()) {
      const told = await rate(folder, site.peer.url, site.paths, { seconds: bench.quick ? 1 : 3, headers });
      if (told.failed > 0) throw new Error(`${told.failed} of the requests for manifests failed`);
      if (turn === 0) continue;
      seen.get(site)?.p99.push(told.p99);
      seen.get(site)?.perSecond.push(told.perSecond);
    }
  }
  const figure = (site: Site, what: 'p99' | 'perSecond') => median(seen.get(site)?.[what] ?? []);
  const bound = Number((1.5 * figure(few, 'p99')).toFixed(2));
  return [
    { row, what: 'manifests by tag, warm', unit: '/s', values: { entrepot: figure(full, 'perSecond') } },
    { row, what: 'the same with 1000 images', unit: '/s', values: { entrepot: figure(few, 'perSecond') } },
    {
      row,
      what: '99 % answered within',
      unit: 'ms',
      values: { entrepot: figure(full, 'p99') },
      goals: [{ atMost: bound }],
      note: '1.5 times that of 1000 images',
    },
  ];
}

async function startLines(row: string, { peer, paths }: Site): Promise<Line[]> {
  const restart = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (signal === 'SIGKILL') process.kill(peer.pid, signal);
    await peer.stop();
    const began = performance.now();
    await peer.start();
    await walk(peer.url, [get(paths[0] ?? '')]);
    return performance.now() - began;
  };
  const after = { SIGTERM: [] as number[], SIGKILL: [] as number[] };
  for (const signal of ['SIGTERM', 'SIGKILL', 'SIGTERM', 'SIGKILL', 'SIGTERM', 'SIGKILL'] as const) {
    after[signal].push(await restart(signal));
  }
  const memory = memoryOf(peer.pid, 'VmRSS');
  return [
    {
      row,
      what: 'start to first manifest',
      unit: 'ms',
      values: { entrepot: median(after.SIGTERM) },
      goals: [{ atMost: 2000 }],
    },
    {
      row,
      what: 'the same after kill -9',
      unit: 'ms',
      values: { entrepot: median(after.SIGKILL) },
      goals: [{ atMost: 5000 }],
    },
    { row, what: 'memory after start', unit: 'MiB', values: { entrepot: memory } },
  ];
}

/** Each with its own process, as people call them; and what clients see meanwhile. */
async function commandLines(row: string, site: Site): Promise<Line[]> {
  const lines: Line[] = [];
  for (const command of ['usage', 'list', 'gc']) {
    const began = performance.now();
    const running = run(process.execPath, [main, command, '--data', site.data, '--json']);
    const slowest = Math.max(...(await askUntil(site, running)));
    const { code, stderr } = await running;
    const ms = performance.now() - began;
    if (code !== 0) throw new Error(`${command} ended with ${code}: ${stderr}`);
    lines.push(
      {
        row,
        what: `entrepot ${command}`,
        unit: 'ms',
        values: { entrepot: ms },
        ...(command === 'usage' && { goals: [{ atMost: 2000 }] }),
      },
      { row, what: 'slowest request meanwhile', unit: 'ms', values: { entrepot: slowest } },
    );
  }
  const scrapes = await walk(
    site.peer.url,
    Array.from({ length: 9 }, () => get('/metrics')),
  );
  const scrape = median(scrapes.map(({ ms }) => ms));
  lines.push({ row, what: 'scrape of /metrics', unit: 'ms', values: { entrepot: scrape } });
  return lines;
}

/** Cold blobs that need the room of 10,000 each: so much goes while they come, and clients ask on. */
async function evictionLines(row: string, site: Site, blobs: readonly string[]): Promise<Line[]> {
  const { peer, data } = site;
  const contents = async () => {
    const { stdout } = await run(process.execPath, [main, 'usage', '--data', data, '--json']);
    return (JSON.parse(stdout) as { contents: number }).contents;
  };
  const [first = '', ...others] = blobs;
  // The first question to any upstream reads the certificates of the machine: 50 ms, once.
  await pull(`${peer.url}${first}`);
  const before = await contents();
  const rounds = { quiet: [] as number[], most: [] as number[], slowest: [] as number[] };
  for (const blob of others) {
    const undisturbed = await askUntil(site, wait(3000));
    const disturbed = await askUntil(site, pull(`${peer.url}${blob}`));
    rounds.quiet.push(Math.max(...undisturbed));
    rounds.most.push(percentile(disturbed, 0.99));
    rounds.slowest.push(Math.max(...disturbed));
  }
  const each = Math.round((before - (await contents())) / others.length);
  return [
    {
      row,
      what: `99 % of requests while ${each} contents go`,
      unit: 'ms',
      values: { entrepot: median(rounds.most) },
    },
    {
      row,
      what: 'the slowest of them',
      unit: 'ms',
      values: { entrepot: median(rounds.slowest) },
      goals: [{ atMost: 20 }],
      note: `median of ${others.length} times; without any eviction ${median(rounds.quiet).toFixed(1)}`,
    },
  ];
}

/** Milliseconds of each manifest request, one after the other, until `work` is over. */
async function askUntil({ peer, paths }: Site, work: Promise<unknown>): Promise<readonly number[]> {
  let isOver = false;
  const over = work.finally(() => {
    isOver = true;
  });
  const seen: number[] = [];
  for (let first = 0; !isOver; first = (first + 100) % paths.length) {
    const walked = await walk(peer.url, paths.slice(first, first + 100).map(get));
    // The first one pays for a new connection.
    seen.push(...walked.slice(1).map(({ ms }) => ms));
  }
  await over;
  return seen;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(share * sorted.length)] ?? Number.NaN;
}
