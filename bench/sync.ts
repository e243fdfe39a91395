/**
 * A sync that finds nothing to do, beside `skopeo sync` and regsync: 1,000 tags in ten repositories that are all at their place
 * already. All three ask the same registry, which counts. Entrepot's server keeps what it brings; the other two copy into a registry of
 * their own, which is docker-registry.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blobOf } from '../test/support/byte-source.ts';
import { type FakeRegistry, startFakeRegistry } from '../test/support/fake-registry.ts';
import { buildImage } from '../test/support/images.ts';
import { type Line, median, type Tool, timed } from './measure.ts';
import { command as entrepotCommand } from './peers/entrepot.ts';
import { processorTime, timeSpentBy } from './processes.ts';
import type { Bench, Row } from './row.ts';
import { isInstalled, type Stage } from './stage.ts';
import { startTarget } from './target.ts';

interface Syncer {
  readonly name: Tool;
  /** The whole command line; its variables are `HOME` and `PATH` alone. */
  readonly command: readonly string[];
  readonly home: string;
  /** Process id of the server that does the work. */
  readonly server?: number | undefined;
}

const repositories = 10;
const base = 'bench/part-';

const row: Row = {
  name: 'sync',
  asks: 'a sync of 1,000 tags that are all here already: time, requests at the registry; beside skopeo sync and regsync',
  async run(bench) {
    const { stage, quick, turns } = bench;
    const registry = await startFakeRegistry();
    stage.defer(() => registry.stop());
    const count = quick ? 100 : 1000;
    fill(registry, count);
    const syncers = await syncersOf(bench, registry.host);
    console.error(`  the first run of each brings ${count} images: minutes`);
    for (const syncer of syncers) await sync(syncer);

    const seen = new Map(
      syncers.map(({ name }) => [name, { ms: [] as number[], cpu: [] as number[], asked: [] as number[] }]),
    );
    for (let turn = 0; turn <= turns; turn += 1) {
      for (let place = 0; place < syncers.length; place += 1) {
        const syncer = syncers[(turn + place) % syncers.length] as Syncer;
        const before = registry.count({});
        let cpu = 0;
        const ms = await timed(async () => {
          cpu = await sync(syncer);
        });
        // The first turn is thrown away.
        const figures = turn === 0 ? undefined : seen.get(syncer.name);
        figures?.ms.push(ms);
        figures?.cpu.push(cpu);
        figures?.asked.push(registry.count({}) - before);
      }
    }
    const values = (figure: 'ms' | 'cpu' | 'asked') =>
      Object.fromEntries([...seen].map(([name, figures]) => [name, median(figures[figure])]));
    const name = `${count} tags, nothing to do`;
    const goals = [{ against: 'skopeo', atLeast: 2 }] as const;
    // One list for each repository and one HEAD for each tag.
    const bound = [{ atMost: repositories + count }];
    return [
      {
        row: name,
        what: 'requests at the registry',
        unit: 'requests',
        values: values('asked'),
        goals: bound,
      },
      { row: name, what: 'time', unit: 'ms', values: values('ms'), goals },
      { row: name, what: 'processor time', unit: 'ms', values: values('cpu') },
    ] satisfies readonly Line[];
  },
};

export const syncs: readonly Row[] = [row];

/** Images that share a layer: the config and one layer of each are its own. */
function fill(registry: FakeRegistry, count: number): void {
  const shared = blobOf('a layer of all');
  for (let index = 0; index < count; index += 1) {
    const image = buildImage({ layers: [shared, blobOf(`layer ${index}`)], seed: index });
    registry.putImage(`${base}${index % repositories}`, `v${Math.floor(index / repositories)}`, image);
  }
}

async function syncersOf(bench: Bench, source: string): Promise<readonly Syncer[]> {
  const { stage } = bench;
  const names = Array.from({ length: repositories }, (_, index) => `${base}${index}`);
  const syncers: Syncer[] = [await entrepotOn(bench, source)];
  const isThere = (program: string, how: string) => {
    if (isInstalled(program)) return true;
    console.error(`  ${program} IS NOT INSTALLED: its figures are "-" (${how})`);
    return false;
  };
  const debian = (name: string) => `Debian: apt-get install ${name}`;
  if (!isThere('docker-registry', debian('docker-registry'))) return syncers;
  const { address: target, stop } = await startTarget(stage);
  stage.defer(stop);
  if (isThere('skopeo', debian('skopeo'))) syncers.push(skopeoOn(stage, source, target, names));
  const build = 'go install github.com/regclient/regclient/cmd/regsync@v0.11.7';
  if (isThere('regsync', build)) syncers.push(regsyncOn(stage, source, target, names));
  return syncers;
}

/** The server does the work, as it does on schedule; the command asks for it and waits. */
async function entrepotOn({ stage, start }: Bench, source: string): Promise<Syncer> {
  const home = stage.folder('entrepot-command');
  const data = join(home, 'data');
  const all = Array.from({ length: repositories }, (_, index) => index).join(',');
  const toml = `[[sync]]\nname = "bench"\nsource = "registry.test/${base}{${all}}"\nreferrers = "none"\n`;
  const [server] = await start({ host: source, toml, data }, ['entrepot']);
  const registries = join(home, 'registries.conf');
  writeFileSync(registries, '[[registry]]\nlocation = "registry.test"\n');
  const command = [...entrepotCommand('sync'), '--data', data, '--registries', registries];
  return { name: 'entrepot', home, command, server: server?.pid };
}

function skopeoOn(stage: Stage, source: string, target: string, names: readonly string[]): Syncer {
  const home = stage.folder('skopeo');
  const file = join(home, 'sync.yml');
  const images = Object.fromEntries(names.map((name) => [name, []]));
  writeFileSync(file, JSON.stringify({ [source]: { 'tls-verify': false, images } }));
  const flags = ['--all', '--src', 'yaml', '--dest', 'docker', '--dest-tls-verify=false'];
  return {
    name: 'skopeo',
    home,
    command: ['skopeo', '--insecure-policy', 'sync', ...flags, file, `${target}/skopeo`],
  };
}

function regsyncOn(stage: Stage, source: string, target: string, names: readonly string[]): Syncer {
  const home = stage.folder('regsync');
  const file = join(home, 'regsync.yml');
  const creds = [source, target].map((registry) => ({ registry, tls: 'disabled' }));
  const sync = names.map((name) => ({
    source: `${source}/${name}`,
    target: `${target}/regsync/${name}`,
    type: 'repository',
  }));
  writeFileSync(file, JSON.stringify({ version: 1, creds, defaults: { skipDockerConfig: true }, sync }));
  return { name: 'regsync', home, command: ['regsync', '-c', file, 'once'] };
}

/** Milliseconds of processor time that it took, its children and its server included. */
async function sync({ command, home, server }: Syncer): Promise<number> {
  const ofServer = () => (server === undefined ? 0 : processorTime(server));
  const before = ofServer();
  const spent = await timeSpentBy(command, home);
  return spent + ofServer() - before;
}
