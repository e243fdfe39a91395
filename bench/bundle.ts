/**
 * Images over an air gap, beside `skopeo copy`: 2 GiB from a registry into an archive and out of it again, and the size of the next
 * archive after one layer has changed. Both tools have nothing yet; what skopeo brings back goes into an empty docker-registry.
 */
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateBlob } from '../test/support/byte-source.ts';
import { type FakeRegistry, startFakeRegistry } from '../test/support/fake-registry.ts';
import { buildImage } from '../test/support/images.ts';
import { type Line, median, timed } from './measure.ts';
import { command as entrepotCommand } from './peers/entrepot.ts';
import { timeSpentBy } from './processes.ts';
import type { Row } from './row.ts';
import { isInstalled, type Stage } from './stage.ts';
import { startTarget } from './target.ts';

const mebibyte = 1024 * 1024;
const layers = 16;
const repository = 'bench/app';

/** What one trip of one tool has cost, by figure. */
type Trip = Readonly<Record<string, number>>;

interface Work {
  readonly stage: Stage;
  readonly registry: FakeRegistry;
  /** Of all layers. */
  readonly size: number;
}

const row: Row = {
  name: 'bundle',
  asks: '2 GiB to an archive and back, and the archive after one layer has changed; beside skopeo copy to oci-archive',
  async run({ stage, quick, turns }) {
    const registry = await startFakeRegistry();
    stage.defer(() => registry.stop());
    const layer = (quick ? 8 : 128) * mebibyte;
    const work = { stage, registry, size: layers * layer };
    fill(registry, layer);
    const tools: readonly (readonly ['entrepot' | 'skopeo', (work: Work) => Promise<Trip>])[] = [
      ['entrepot', entrepotTrip],
      ...(hasSkopeo() ? ([['skopeo', skopeoTrip]] as const) : []),
    ];
    const trips = new Map<string, Trip[]>(tools.map(([name]) => [name, []]));
    for (let turn = 0; turn <= turns; turn += 1) {
      for (let place = 0; place < tools.length; place += 1) {
        const [name, trip] = tools[(turn + place) % tools.length] as (typeof tools)[number];
        const figures = await trip(work);
        // The first turn is thrown away.
        if (turn > 0) trips.get(name)?.push(figures);
      }
    }
    const line = (what: string, unit: Line['unit'], more: Partial<Line> = {}): Line => {
      const medians = [...trips].map(
        ([name, all]) => [name, median(all.map((one) => one[what] ?? Number.NaN))] as const,
      );
      const values = Object.fromEntries(medians.filter(([, value]) => !Number.isNaN(value)));
      return { row: `${work.size / mebibyte} MiB in ${layers} layers`, what, unit, values, ...more };
    };
    return [
      line('export', 'ms'),
      line('export, processor time', 'ms'),
      line('export of what is cached', 'ms'),
      line('import', 'ms'),
      line('import, processor time', 'ms'),
      line('archive', 'MiB'),
      line('archive after one layer changed', 'MiB', { goals: [{ atMost: layer / mebibyte + 1 }] }),
    ];
  },
};

export const bundles: readonly Row[] = [row];

/** `v2` is `v1` with another last layer. */
function fill(registry: FakeRegistry, size: number): void {
  const shared = Array.from({ length: layers - 1 }, (_, index) => generateBlob(size, `layer ${index}`));
  for (const tag of ['v1', 'v2']) {
    registry.putImage(
      repository,
      tag,
      buildImage({ layers: [...shared, generateBlob(size, tag)], seed: tag }),
    );
  }
}

function hasSkopeo(): boolean {
  const absent = ['skopeo', 'docker-registry'].filter((program) => !isInstalled(program));
  for (const program of absent) {
    console.error(
      `  ${program} IS NOT INSTALLED: skopeo has no figures (Debian: apt-get install ${program})`,
    );
  }
  return absent.length === 0;
}

/** In two data folders, without a server. */
async function entrepotTrip({ stage, registry, size }: Work): Promise<Trip> {
  const home = stage.folder('entrepot');
  const registries = join(home, 'registries.conf');
  writeFileSync(
    registries,
    `[[registry]]\nprefix = "registry.test"\nlocation = "${registry.host}"\ninsecure = true\n`,
  );
  const run = async (command: string, data: string, ...args: readonly string[]) => {
    const files = ['--data', join(home, data), '--registries', registries];
    return cost(home, [...entrepotCommand(command), ...files, ...args]);
  };
  const write = (name: string, tag: string, ...more: readonly string[]) =>
    run('export', 'here', '--to', join(home, name), ...more, `registry.test/${repository}:${tag}`);
  const archive = (name: string) => join(home, `${name}.0001.tar`);
  stage.touchMemory(2 * size);
  const exported = await write('first', 'v1');
  const cached = await write('again', 'v1');
  rmSync(archive('again'));
  const receipt = join(home, 'receipt.json');
  stage.touchMemory(size);
  const imported = await run('import', 'there', '--receipt', receipt, archive('first'));
  await write('second', 'v2', '--base', receipt);
  const trip = {
    ...figures({ exported, imported, archive: archive('first'), next: archive('second') }),
    'export of what is cached': cached.ms,
  };
  rmSync(home, { recursive: true });
  return trip;
}

async function skopeoTrip({ stage, registry, size }: Work): Promise<Trip> {
  const home = stage.folder('skopeo');
  const copy = (...args: readonly string[]) =>
    cost(home, ['skopeo', '--insecure-policy', 'copy', '--all', '--preserve-digests', ...args]);
  const archive = (tag: string) => join(home, `${tag}.tar`);
  const write = (tag: string) =>
    copy(
      '--src-tls-verify=false',
      `docker://${registry.host}/${repository}:${tag}`,
      `oci-archive:${archive(tag)}:${tag}`,
    );
  stage.touchMemory(2 * size);
  const exported = await write('v1');
  const target = await startTarget(stage, home);
  stage.touchMemory(size);
  const to = `docker://${target.address}/${repository}:v1`;
  const imported = await copy('--dest-tls-verify=false', `oci-archive:${archive('v1')}:v1`, to).finally(
    target.stop,
  );
  await write('v2');
  const trip = figures({ exported, imported, archive: archive('v1'), next: archive('v2') });
  rmSync(home, { recursive: true });
  return trip;
}

interface Cost {
  readonly ms: number;
  readonly cpu: number;
}

async function cost(home: string, command: readonly string[]): Promise<Cost> {
  let cpu = 0;
  const ms = await timed(async () => {
    cpu = await timeSpentBy(command, home);
  });
  return { ms, cpu };
}

function figures(trip: { exported: Cost; imported: Cost; archive: string; next: string }): Trip {
  return {
    export: trip.exported.ms,
    'export, processor time': trip.exported.cpu,
    import: trip.imported.ms,
    'import, processor time': trip.imported.cpu,
    archive: statSync(trip.archive).size / mebibyte,
    'archive after one layer changed': statSync(trip.next).size / mebibyte,
  };
}
