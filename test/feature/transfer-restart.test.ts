/**
 * `kill -9` at any instant of a fill: no wrong byte is ever served, what is here is not fetched again, nothing is left lying
 * about, no orphan and no lock. A dozen times; a hundred with LONG=1, KILLS=N for another number. Each kill comes at a random byte
 * of the client's; the seed is printed when it fails.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fillCache } from '../../bench/full-cache.ts';
import { type Blob, generateBlob } from '../support/byte-source.ts';
import { comparison, inSocketBuffers, MiB, offer, pullWhole } from '../support/cold-blobs.ts';
import { type ProgramOnBlobs, startProgramOnBlobs } from '../support/entrepot-on-blobs.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts';
import { rate } from '../support/fake-registry-faults.ts';
import { open } from '../support/http-client.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { tempFolder } from '../support/temp-folder.ts';

const long = process.env.LONG === '1';
const kills = Number(process.env.KILLS ?? (long ? 100 : 12));
const size = 12 * MiB;
/** What a client may be ahead of the saved ranges at the kill: 50 ms and a write, and time to spare on a busy machine. */
const unsaved = 8 * MiB;

/** Reads until `killAt` bytes have come, then has the program killed. Whatever came was right; whether it was the whole. */
async function readAndKill(site: ProgramOnBlobs, blob: Blob, killAt: number): Promise<void> {
  const answer = await open(site.url(blob.digest));
  assert.equal(answer.status, 200);
  const compared = comparison(blob);
  while (compared.bytes < killAt) {
    const part = await answer.read(Math.min(256 * 1024, killAt - compared.bytes));
    compared.take(part);
    if (part.length === 0) break;
  }
  site.program.kill('SIGKILL');
  const { body } = await answer.rest();
  compared.take(body);
  await site.program.exited;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
}

function rangesAsked(registry: FakeRegistry, blob: Blob): number[] {
  return registry
    .matching({ digest: blob.digest, method: 'GET' })
    .map(({ headers }) => Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0));
}

/** In the index, as `LONG` has it. */
const many = long ? 100_000 : 10_000;

describe(`a program that is killed with ${many} blobs in its index`, () => {
  it('answers after its next start', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const folder = tempFolder(t);
    const blob = generateBlob(size, 'beside many');
    offer([registry], blob);
    mkdirSync(join(folder, 'data'));
    fillCache(join(folder, 'data'), 'registry.example', { blobs: many, asked: 1, real: 0 });
    const first = await startProgramOnBlobs(t, folder, [registry]);
    await readAndKill(first, blob, size / 2);
    const second = await startProgramOnBlobs(t, folder, [registry]);
    await pullWhole(second.url(blob.digest), blob);
  });
});

describe('a program that is killed again and again', () => {
  it('serves no wrong byte, goes on from what it has, and is tidy in the end', async (t) => {
    const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
    const next = seededRandom(seed);
    try {
      const registry = await startFakeRegistry();
      t.after(() => registry.stop());
      registry.on({ kind: 'blob' }, rate(30_000_000));
      const folder = tempFolder(t);
      const blobs = Array.from({ length: Math.ceil(kills / 3) }, (_, index) =>
        generateBlob(size, `kill ${index}`),
      );
      for (const blob of blobs) offer([registry], blob);

      // Each blob's fill is killed three times; the last time at or near its end, when it moves into the store.
      let served = 0;
      let wentOnAt = 0;
      let hadServed = 0;
      for (let kill = 0; kill < kills; kill++) {
        const blob = blobs[Math.floor(kill / 3)];
        assert.ok(blob);
        const site = await startProgramOnBlobs(t, folder, [registry]);
        const killAt = kill % 3 === 2 ? size - Math.floor(next() * 2) * 1000 : Math.floor(next() * size);
        const asked = rangesAsked(registry, blob).length;
        await readAndKill(site, blob, killAt);
        const resumed = rangesAsked(registry, blob).slice(asked);
        if (kill % 3 === 0) served = 0;
        for (const start of resumed) {
          wentOnAt += start;
          hadServed += Math.max(0, served - unsaved);
        }
        served = Math.max(served, killAt);
      }

      // A disk that stalls may cost one run its last save; all together, they went on from what they had.
      assert.ok(wentOnAt >= hadServed / 2, `went on at ${wentOnAt} of ${hadServed} bytes, all runs together`);

      const site = await startProgramOnBlobs(t, folder, [registry]);
      let cost = 0;
      for (const blob of blobs) {
        await pullWhole(site.url(blob.digest), blob);
        await site.stored(blob.digest);
        cost += registry.bodyBytes({ digest: blob.digest });
      }
      const bound = blobs.length * (size + 3 * (unsaved + inSocketBuffers)) + size;
      assert.ok(cost <= bound, `${cost} bytes from the registry, more than ${bound}`);
      await site.tidy();
      registry.clear();
      for (const blob of blobs) assert.equal((await pullWhole(site.url(blob.digest), blob)).cache, 'hit');
      assert.equal(registry.count(), 0);
      assert.deepEqual(
        filesBelow(join(site.proxy.data, 'content-v1')).toSorted(),
        blobs.map(({ digest }) => digest.slice('sha256:'.length)).toSorted(),
      );
      assert.equal((await site.program.stop()).code, 0);
      assert.deepEqual(
        readdirSync(site.proxy.data).toSorted(),
        [
          'content-v1',
          'entrepot.lock',
          'hosted-v1.sqlite',
          'incoming',
          'index-v1.reserve',
          'index-v1.sqlite',
          'uploads',
        ],
        'no orphan, no socket, no log of the index',
      );
      assert.deepEqual(filesBelow(join(site.proxy.data, 'uploads')), []);
      const last = await startProgramOnBlobs(t, folder, [registry]);
      assert.equal((await last.program.stop()).code, 0, 'nobody holds the folder');
    } catch (error) {
      t.diagnostic(`SEED=${seed}`);
      throw error;
    }
  });
});
