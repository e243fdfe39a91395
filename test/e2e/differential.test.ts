/**
 * Every client reads every registry directly and through Entrepot, in all the ways it has, and reads the same: cold, warm, and once
 * the registry is stopped.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { RunningEntrepot } from '../support/processes.ts';
import { packageChart } from './support/charts.ts';
import { place } from './support/client.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import { run } from './support/programs.ts';
import { type Place, type Reader, readers, type Wanted } from './support/readers.ts';
import { type RealRegistry, realRegistries } from './support/registries.ts';
import { openSite, type Site } from './support/site.ts';

const repository = 'team/app';

for (const registry of realRegistries)
  describe(`${registry.name} and Entrepot in front of it`, () => compare(registry));

function compare(registry: RealRegistry): void {
  const needed = [...registry.programs, 'oras', 'crane', 'helm'];
  let site: Site;
  let origin: Awaited<ReturnType<RealRegistry['start']>>;
  let entrepot: RunningEntrepot;
  let restart: () => Promise<RunningEntrepot>;
  let wanted: Wanted;
  const direct = new Map<string, string>();

  before(async () => {
    if (obstacle(needed) !== undefined) return;
    site = await openSite();
    const home = site.folder('entrepot');
    const env = site.resident(home);
    origin = site.own(await registry.start(site.folder('origin'), env));
    const index = await site.images.index('compared');
    for (const tag of ['1', '1.1', 'latest']) await origin.push(index, repository, tag);
    await origin.push(await site.images.image('single'), repository, 'single');
    const sbom = place(join(site.folder('sbom'), 'sbom.json'), '{"spdx":1}');
    const attach = ['attach', '--no-tty', '--plain-http', '--disable-path-validation'];
    const type = ['--artifact-type', 'application/spdx+json'];
    await run('oras', [...attach, ...type, `${origin.host}/${repository}:1`, sbom], env);
    const chart = await packageChart(site.folder('chart'), env);
    await run('helm', ['push', '--plain-http', chart, `oci://${origin.host}/${repository}`], env);
    const manifest = await run('crane', ['manifest', `${origin.host}/${repository}:single`], env);
    wanted = { tag: '1', config: (JSON.parse(manifest) as { config: { digest: string } }).config.digest };
    const registries = `[[registry]]\nprefix = "ex.test"\nlocation = "${origin.host}"\ninsecure = true\n`;
    restart = async () => site.own(await startEntrepot(home, env, { registries }));
    entrepot = await restart();
  });
  after(() => site?.close());

  const at = (host: string, name: string): Place => {
    const folder = site.folder('client');
    return { host, repository: name, folder, env: site.resident(folder) };
  };
  const readAll = async (reader: Reader, where: () => Place, seen: (what: string, text: string) => void) => {
    for (const [what, read] of Object.entries(reader.reads)) seen(what, await read(where(), wanted));
  };
  const through = (reader: Reader, when: string) =>
    readAll(
      reader,
      () => at(entrepot.host, `ex.test/${repository}`),
      (what, text) => {
        if (when === 'stopped' && what === 'a missing tag') return;
        assert.equal(text, direct.get(`${reader.name} ${what}`), `${what} (${when})`);
      },
    );
  const isReady = (t: Parameters<typeof isEquipped>[0], reader: Reader) =>
    isEquipped(t, [...needed, ...reader.programs]);

  for (const reader of readers) {
    test(`${reader.name} reads the same of both, cold and warm`, async (t) => {
      if (!isReady(t, reader)) return;
      await readAll(
        reader,
        () => at(origin.host, repository),
        (what, text) => void direct.set(`${reader.name} ${what}`, text),
      );
      await through(reader, 'cold');
      await through(reader, 'warm');
    });
  }

  test('the registry stops, and Entrepot starts again', async (t) => {
    if (!isEquipped(t, needed)) return;
    await entrepot.stop();
    await origin.stop();
    entrepot = await restart();
  });

  for (const reader of readers) {
    test(`${reader.name} still reads the same from Entrepot`, async (t) => {
      if (!isReady(t, reader)) return;
      await through(reader, 'stopped');
    });
  }
}
