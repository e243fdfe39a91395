/** `kill -9` and SIGINT at any moment of an import: the next one ends right, and nothing is visible by half. */
import assert from 'node:assert/strict';
import { mkdirSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startApp } from '../support/app.ts';
import { bundleVolumes, contentsOf, writeArchive } from '../support/archives.ts';
import { get } from '../support/http-client.ts';
import { buildIndex } from '../support/images.ts';
import { type RunningProcess, startProcess } from '../support/processes.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { type Cleanup, tempFolder } from '../support/temp-folder.ts';

const kills = process.env.LONG ? 40 : 6;
const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const name = 'quay.io/team/app';
const registries = '[[registry]]\nlocation = "quay.io"\n';
const toml = '[upstream]\noffline = true\n';
const image = buildIndex({ layers: [900_000, 300_000, 200_000, 100_000] });
const cut = image.blobs.find(({ size }) => size === 900_000)!.digest;
const volumes = bundleVolumes([{ name, tag: '1', image }], {
  volumes: 2,
  cut: (digest) => (digest === cut ? [500_000, 400_000] : undefined),
});

function prepare(test: Cleanup) {
  const folder = tempFolder(test);
  writeFileSync(join(folder, 'entrepot.toml'), toml);
  writeFileSync(join(folder, 'registries.conf'), registries);
  mkdirSync(join(folder, 'data', 'imports'), { recursive: true });
  const files = volumes.map((bytes, at) => writeArchive(join(folder, `site.000${at + 1}.tar`), bytes));
  const begin = () =>
    startProcess(process.execPath, [
      ...[
        main,
        'import',
        ...files,
        '--config',
        join(folder, 'entrepot.toml'),
        '--data',
        join(folder, 'data'),
      ],
      ...['--registries', join(folder, 'registries.conf'), '--receipt', join(folder, 'receipt.json')],
    ]);
  return { folder, begin };
}

/** Sends the signal once so many things have happened in the folder of the import. Resolves when the program has ended. */
async function signalAfter(folder: string, changes: number, program: RunningProcess, signal: NodeJS.Signals) {
  let seen = 0;
  const watcher = watch(join(folder, 'data', 'imports'), () => {
    seen += 1;
    if (seen === changes) program.kill(signal);
  });
  const ended = await program.exited;
  watcher.close();
  return ended;
}

/** All of the image, or nothing. */
async function isVisible(test: Cleanup, folder: string): Promise<boolean> {
  const app = await startApp(test, { registries, toml, folder });
  const { status, headers } = await get(`${app.url}/v2/${name}/manifests/1`);
  if (status === 200) {
    assert.equal(headers['docker-content-digest'], image.digest);
    for (const { digest, bytes, mediaType } of contentsOf(image)) {
      const kind = mediaType === undefined ? 'blobs' : 'manifests';
      const answer = await get(`${app.url}/v2/${name}/${kind}/${digest}`);
      assert.ok(answer.status === 200 && answer.body.equals(bytes), digest);
    }
  }
  await app.stop();
  return status === 200;
}

describe('an import', () => {
  it('that is killed again and again ends right, and shows nothing by half', async (t) => {
    const random = seededRandom(7);
    const { folder, begin } = prepare(t);
    let cutShort = 0;
    for (let at = 0; at < kills; at += 1) {
      const { signal } = await signalAfter(folder, 1 + Math.floor(random() * 60), begin(), 'SIGKILL');
      if (signal === 'SIGKILL') cutShort += 1;
      await isVisible(t, folder);
    }
    assert.ok(cutShort > 0, 'some were cut short');
    const { code } = await begin().exited;
    assert.equal(code, 0);
    assert.equal(await isVisible(t, folder), true);
  });

  it('that is interrupted says so, keeps what has come, and goes on with the same command', async (t) => {
    const { folder, begin } = prepare(t);
    const program = begin();
    const { code } = await signalAfter(folder, 3, program, 'SIGINT');
    assert.equal(code, 1);
    assert.match(program.stderr, /entrepot: cancelled: what has come is kept/);
    assert.equal((await begin().exited).code, 0);
    assert.equal(await isVisible(t, folder), true);
  });
});
