/**
 * What sharing facts costs a warm manifest, and what a cluster's worth of facts takes to read: with `[facts]` over a real PostgreSQL and
 * without it. Both are Entrepot. Processor time per request is compared, since it moves less than rates do on a shared machine.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runPostgres } from '../test/support/postgres.ts';
import { startPostgresReplica } from '../test/support/shared-postgres.ts';
import { pull, rate } from './clients.ts';
import { repeat } from './cold.ts';
import { type Line, median } from './measure.ts';
import { processorTime } from './processes.ts';
import { manifestHeaders } from './rates.ts';
import type { Bench, Row } from './row.ts';
import { isInstalled } from './stage.ts';
import { startUpstream } from './upstream.ts';

const row: Row = {
  name: 'facts',
  asks: 'cached manifests with and without [facts], and the time in which an empty disk knows 100,000 facts',
  async run(bench) {
    const hooks: (() => void | Promise<void>)[] = [];
    try {
      const server = await runPostgres({ after: (hook) => void hooks.push(hook) });
      return [...(await warm(bench, server.url)), await empty(bench, server)];
    } finally {
      for (const hook of hooks.reverse()) await hook();
    }
  },
};

async function warm({ stage, start, quick, turns }: Bench, url: string): Promise<readonly Line[]> {
  const line = { row: 'facts', what: 'warm manifest', unit: 'times' } as const;
  if (!isInstalled('wrk')) return [{ ...line, values: {}, note: 'needs wrk' }];
  const upstream = await startUpstream(stage, { images: repeat('1KiB', 4) });
  const paths = upstream.images.map((image) => image.byTag);
  const urlFile = join(stage.folder('facts'), 'facts-url');
  writeFileSync(urlFile, url);
  // Freshness that lasts: what is compared is the way of a hit.
  const fresh = '[freshness]\ntag = "1h"\n';
  const [alone] = await start({ ...upstream, toml: fresh }, ['entrepot']);
  const [shared] = await start({ ...upstream, toml: `${fresh}[facts]\nurl_file = "${urlFile}"\n` }, [
    'entrepot',
  ]);
  if (!alone || !shared) return [];
  for (const peer of [alone, shared]) for (const path of paths) await pull(peer.url + path);
  await upstream.quiet();
  const cases = [alone, shared].map((peer) => ({ peer, costs: [] as number[] }));
  const folder = stage.folder('wrk');
  const seconds = quick ? 1 : 3;
  for (let turn = 0; turn <= turns; turn += 1) {
    for (const { peer, costs } of turn % 2 === 0 ? cases : cases.toReversed()) {
      const before = processorTime(peer.pid);
      const { perSecond, failed } = await rate(folder, peer.url, paths, {
        seconds,
        headers: manifestHeaders,
      });
      if (failed > 0) throw new Error(`${failed} requests failed`);
      // The first turn warms up.
      if (turn > 0) costs.push(((processorTime(peer.pid) - before) / (perSecond * seconds)) * 1000);
    }
  }
  const [without = 0, withFacts = 0] = cases.map(({ costs }) => median(costs));
  const note = `${without.toFixed(1)} us of processor time without [facts], ${withFacts.toFixed(1)} with it`;
  return [{ ...line, values: { entrepot: withFacts / without }, goals: [{ atMost: 1.05 }], note }];
}

async function empty(
  { stage, quick }: Bench,
  server: Awaited<ReturnType<typeof runPostgres>>,
): Promise<Line> {
  const hooks: (() => unknown)[] = [];
  const t = { after: (hook: () => unknown) => void hooks.push(hook) };
  const count = quick ? 10_000 : 100_000;
  const now = Date.now() * 1024;
  await server.sql(`
    insert into facts (image, kind, key, value, claimed, stamp, origin, seq)
    select 'docker.io/library/image-' || n % 1000, 'link', 'sha256:' || encode(sha256(n::text::bytea), 'hex'),
      '{"origin": "registry-1.docker.io/library/image"}', ${now} + n, ${now} + n, 'bench', nextval('facts_seq')
    from generate_series(1, ${count}) n`);
  const before = process.memoryUsage.rss();
  const begun = performance.now();
  let longest = 0;
  let last = performance.now();
  const watch = setInterval(() => {
    const turn = performance.now();
    longest = Math.max(longest, turn - last - 5);
    last = turn;
  }, 5);
  const replica = await startPostgresReplica(t, server.url, { path: join(stage.folder('empty'), 'index') });
  await replica.exchange.known;
  const ms = performance.now() - begun;
  clearInterval(watch);
  const grown = (process.memoryUsage.rss() - before) / 2 ** 20;
  for (const hook of hooks.reverse()) await hook();
  const note = `${count} facts; the longest pause of other work was ${longest.toFixed(0)} ms, memory grew by ${grown.toFixed(0)} MiB`;
  return { row: 'facts', what: 'an empty disk knows all', unit: 'ms', values: { entrepot: ms }, note };
}

export const facts: readonly Row[] = [row];
