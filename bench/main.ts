/**
 * `npm run bench`: Entrepot beside docker-registry (as a pull-through proxy) and nginx (as the limit), on the same upstream and
 * the same bytes, in one run. README.md says how to read it.
 *
 *   npm run bench -- [--only ROW]... [--quick] [--turns N] [--json] [--list]
 */
import { parseArgs } from 'node:util';
import { access } from './access.ts';
import { accidents } from './accidents.ts';
import { buckets } from './buckets.ts';
import { bundles } from './bundle.ts';
import { clusters } from './cluster.ts';
import { cold } from './cold.ts';
import { dashboards } from './dashboard.ts';
import { facts } from './facts.ts';
import { hits } from './hits.ts';
import { images } from './images.ts';
import { isMet, type Line, ratio } from './measure.ts';
import { memory } from './memory.ts';
import { mirrors } from './mirrors.ts';
import { dockerRegistry } from './peers/docker-registry.ts';
import { entrepot } from './peers/entrepot.ts';
import { nginx } from './peers/nginx.ts';
import type { Peer } from './peers/peer.ts';
import { ranges } from './ranges.ts';
import { rates } from './rates.ts';
import { replicas } from './replicas.ts';
import type { Bench, Row } from './row.ts';
import { scales } from './scale.ts';
import { createStage, isInstalled } from './stage.ts';
import { outages } from './stale.ts';
import { syncs } from './sync.ts';
import { table } from './table.ts';
import { warm } from './warm.ts';

const rows: readonly Row[] = [
  ...cold,
  ...warm,
  ...rates,
  ...access,
  ...facts,
  ...dashboards,
  ...ranges,
  ...accidents,
  ...mirrors,
  ...outages,
  ...images,
  ...syncs,
  ...bundles,
  ...clusters,
  ...replicas,
  ...buckets,
  ...scales,
  ...hits,
  ...memory,
];

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    quick: { type: 'boolean', default: false },
    turns: { type: 'string' },
    json: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

const lines: Line[] = [];
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    // What is known by now took minutes to find out.
    print();
    process.exit(1);
  });
}
// Each process that is running listens for our end.
process.setMaxListeners(0);

if (values.list) {
  for (const row of rows) console.log(`${row.name.padEnd(16)}${row.asks}`);
} else {
  process.exitCode = await run();
}

async function run(): Promise<number> {
  const known = new Set(rows.map((row) => row.name));
  const unknown = (values.only ?? []).filter((name) => !known.has(name));
  if (unknown.length > 0) {
    console.error(`no row is called ${unknown.join(', ')}: --list shows them`);
    return 2;
  }
  const wanted = rows.filter((row) => values.only?.includes(row.name) ?? true);
  const peers = [entrepot, dockerRegistry, nginx].filter(isThere);
  for (const program of ['curl', 'wrk']) if (!isInstalled(program)) hint(program, program);
  const turns = Number(values.turns ?? (values.quick ? 1 : 5));
  if (!(Number.isInteger(turns) && turns > 0)) {
    console.error(`--turns takes a number from 1 on, not ${values.turns}`);
    return 2;
  }

  let failures = 0;
  for (const row of wanted) {
    console.error(`${row.name}: ${row.asks}`);
    const stage = createStage();
    const bench: Bench = {
      stage,
      peers,
      quick: values.quick,
      turns,
      start: async (upstream, among) => {
        const started = peers
          .filter(({ name }) => among?.includes(name) ?? true)
          .map((peer) => peer.start(stage, upstream));
        const running = await Promise.all(started);
        for (const peer of running) stage.defer(() => peer.stop());
        return running;
      },
    };
    try {
      lines.push(...(await row.run(bench)));
    } catch (error) {
      failures += 1;
      console.error(`${row.name} failed: ${error instanceof Error ? error.message : error}`);
    } finally {
      await stage.close();
    }
  }
  print();
  return failures > 0 ? 1 : 0;
}

function print(): void {
  console.log(values.json ? JSON.stringify(lines.map(withRatios)) : table(lines));
}

function withRatios(line: Line): object {
  const ratios = { 'docker-registry': ratio(line, 'docker-registry'), nginx: ratio(line, 'nginx') };
  return { ...line, ratios, met: isMet(line) };
}

function isThere({ needs }: Peer): boolean {
  if (!needs || isInstalled(needs.program)) return true;
  hint(needs.program, needs.debian);
  return false;
}

function hint(program: string, debian: string): void {
  console.error(`${program} is not installed, its figures are "-" (Debian: apt-get install ${debian})`);
}
