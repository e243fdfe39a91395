/**
 * `kill -9` at any instant of a fill: no wrong byte is ever served, what is saved is not fetched again, nothing is left lying
 * about, no orphan and no lock. A dozen times; a hundred with LONG=1, KILLS=N for another number. Each kill comes at a random byte:
 * of the client's, or of the registry's, which then sends no more until that byte is saved. The seed is printed when it fails.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fillCache } from '../../bench/full-cache.ts';
import { PartialFile, rangesSuffix } from '../../src/cache/incoming/partial-file.ts';
import { type Blob, generateBlob } from '../support/byte-source.ts';
import { comparison, MiB, offer, pullWhole } from '../support/cold-blobs.ts';
import { type ProgramOnBlobs, startProgramOnBlobs } from '../support/entrepot-on-blobs.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts';
import { rate, stallAfter } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { open } from '../support/http-client.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { tempFolder } from '../support/temp-folder.ts';

const long = process.env.LONG === '1';
const kills = Number(process.env.KILLS ?? (long ? 100 : 12));
const size = 12 * MiB;
/** The registry is in this process: however slow that is, it does not fail. */
const patient =
  '[upstream]\nconnect_timeout = "5m"\nheader_timeout = "5m"\nstall_timeout = "5m"\ntotal_timeout = "5m"\n';

/** Reads until `killAt` bytes have come and `ready` has resolved, then has the program killed. Whatever came was right. */
async function readAndKill(
  site: ProgramOnBlobs,
  blob: Blob,
  killAt: number,
  ready: () => Promise<unknown> = async () => {},
): Promise<void> {
  const answer = await open(site.url(blob.digest));
  assert.equal(answer.status, 200);
  const compared = comparison(blob);
  while (compared.bytes < killAt) {
    const part = await answer.read(Math.min(256 * 1024, killAt - compared.bytes));
    compared.take(part);
    if (part.length === 0) break;
  }
  await ready();
  site.program.kill('SIGKILL');
  const { body } = await answer.rest();
  compared.take(body);
  await site.program.exited;
}

/** Bytes from 0 on that the data folder has of the blob, and says so: the next run must not fetch them. */
function savedOf(data: string, blob: Blob): number {
  const [algorithm = '', hex = ''] = blob.digest.split(':');
  if (existsSync(join(data, 'content-v1', algorithm, hex.slice(0, 2), hex))) return size;
  const incoming = join(data, 'incoming');
  const isOf = (name: string) => name.startsWith(`${algorithm}-${hex}-`) && name.endsWith(rangesSuffix);
  const name = existsSync(incoming) ? readdirSync(incoming).find(isOf) : undefined;
  if (name === undefined) return 0;
  const [first] = new PartialFile(join(incoming, name.slice(0, -rangesSuffix.length))).load()?.ranges ?? [];
  return first?.[0] === 0 ? first[1] : 0;
}

/** A kill between the file of a content and its row: it is known again once the folder has been looked through. */
const reconciled = ({ program }: ProgramOnBlobs) => program.line(/"cache\.reconciled"/);

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
      const folder = tempFolder(t);
      const blobs = Array.from({ length: Math.ceil(kills / 3) }, (_, index) =>
        generateBlob(size, `kill ${index}`),
      );
      for (const blob of blobs) offer([registry], blob);

      const data = join(folder, 'data');
      /** Holds what a run asks of the registry against the `saved` bytes of the blob that it has begun with. */
      async function goesOn(
        blob: Blob,
        saved: number,
        run: (isRight: () => void) => Promise<unknown>,
      ): Promise<void> {
        const asked = rangesAsked(registry, blob).length;
        const isRight = () => {
          const starts = rangesAsked(registry, blob).slice(asked);
          assert.deepEqual(starts, saved === size ? [] : [saved], 'it goes on from what is saved, once');
        };
        await run(isRight);
        isRight();
      }

      // Each blob's fill is killed three times: anywhere; once all is saved that the registry gave; and at or near its end, when it
      // moves into the store.
      for (let kill = 0; kill < kills; kill++) {
        const blob = blobs[Math.floor(kill / 3)];
        assert.ok(blob);
        const saved = savedOf(data, blob);
        const site = await startProgramOnBlobs(t, folder, [registry], patient);
        if (saved === size) await reconciled(site);
        const pace = rate(30_000_000);
        if (kill % 3 === 1 && saved < size - MiB) {
          const holdAt = saved + 1 + Math.floor(next() * (size - MiB - saved));
          const hold = gate();
          const rule = registry.on({ kind: 'blob' }, pace, stallAfter(holdAt - saved, hold));
          await goesOn(blob, saved, async (isRight) => {
            await readAndKill(site, blob, 1, async () => {
              await hold.arrived;
              isRight();
              await eventually('all is saved', () => savedOf(data, blob) === holdAt);
            });
          });
          rule.remove();
        } else {
          const killAt = kill % 3 === 2 ? size - Math.floor(next() * 2) * 1000 : Math.floor(next() * size);
          const rule = registry.on({ kind: 'blob' }, pace);
          await goesOn(blob, saved, () => readAndKill(site, blob, killAt));
          rule.remove();
        }
      }

      const site = await startProgramOnBlobs(t, folder, [registry], patient);
      await reconciled(site);
      for (const blob of blobs) {
        await goesOn(blob, savedOf(data, blob), () => pullWhole(site.url(blob.digest), blob));
        await site.stored(blob.digest);
      }
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
