import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type VolumeSource, volumeBytes } from '../../../../src/airgap/export/volume-bytes.ts';
import { entryBytes, type PlannedContent, planVolumes } from '../../../../src/airgap/export/volume-plan.ts';
import { writeVolume } from '../../../../src/airgap/export/volume-writer.ts';
import { EntrepotError } from '../../../../src/errors.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import { mediaTypes } from '../../../../src/oci/media-types.ts';
import { readTar } from '../../../support/bundles.ts';

const files = () => [{ path: 'oci-layout', bytes: Buffer.from('{"imageLayoutVersion":"1.0.0"}') }];
const rest = { base: [], refs: [], omitted: [] };

function content(at: number, size: number, algorithm = 'sha256', isManifest = false): PlannedContent {
  const digest = `${algorithm}:${hash(algorithm, String(at), 'hex')}` as Digest;
  return { digest, size, ...(isManifest && { mediaType: mediaTypes.ociManifest }) };
}

describe('a plan of volumes', () => {
  it('holds every byte once, within the size of a volume, and cuts no manifest', () => {
    const sizes = fc.array(fc.nat(400_000), { maxLength: 40 });
    fc.assert(
      fc.property(
        sizes,
        fc.nat(20),
        fc.integer({ min: 200_000, max: 900_000 }),
        (all, manifests, volumeSize) => {
          const ordered = all.map((size, at) =>
            content(
              at,
              at < manifests ? size % 100_000 : size,
              at % 3 === 0 ? 'sha512' : 'sha256',
              at < manifests,
            ),
          );
          const plan = planVolumes(ordered, rest, { volumeSize, files });
          assert.equal(plan.volumes.length, plan.contents.volumes);
          for (const { bytes, slices } of plan.volumes) {
            assert.ok(bytes <= volumeSize, `${bytes} of ${volumeSize}`);
            assert.equal(new Set(slices.map(({ path }) => path)).size, slices.length);
          }
          const slices = plan.volumes.flatMap((volume) => volume.slices);
          for (const { digest, size, mediaType } of ordered) {
            const own = slices.filter((slice) => slice.digest === digest);
            assert.equal(own[0]?.start, 0);
            assert.equal(own.at(-1)?.end, size);
            for (const [at, slice] of own.slice(1).entries()) assert.equal(slice.start, own[at]?.end);
            if (mediaType !== undefined) assert.equal(own.length, 1);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('knows the size of a tar before it is written, long names included', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'entrepot-plan-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const ordered = ['sha256', 'sha384', 'sha512'].flatMap((algorithm, at) => [
      content(at, 0, algorithm),
      content(at + 10, 300_001, algorithm),
    ]);
    const plan = planVolumes(ordered, rest, { volumeSize: 250_000, files });
    assert.ok(plan.volumes.length > 2);
    for (const volume of plan.volumes) {
      const file = join(folder, `x.${volume.volume}.tar`);
      const source: VolumeSource = {
        async open({ start, end }) {
          let left: number | undefined = end - start;
          const next = async () => {
            const chunk = left === undefined ? undefined : Buffer.alloc(left, 7);
            left = undefined;
            return chunk;
          };
          return { stream: { next, close() {} }, close() {} };
        },
      };
      const writing = { signal: new AbortController().signal, onBytes() {} };
      await writeVolume(file, volumeBytes(volume, source), volume.bytes, writing);
      assert.equal(statSync(file).size, volume.bytes);
      const names = (await readTar(file)).map(({ header }) => header.name);
      assert.deepEqual(
        names.slice(2),
        volume.slices.map(({ path }) => path),
      );
    }
  });

  it('is not written where the source fails, and leaves no file', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'entrepot-plan-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const plan = planVolumes([content(1, 300_000)], rest, { volumeSize: 10 ** 6, files });
    const [volume] = plan.volumes;
    assert.ok(volume);
    const stream = (next: () => Promise<Uint8Array | undefined>) => ({
      open: async () => ({ stream: { next, close() {} }, close() {} }),
    });
    const gone = new Error('it is gone');
    const some = [Buffer.alloc(1000), Buffer.alloc(1000)];
    const sources: readonly [VolumeSource, RegExp][] = [
      [{ open: () => Promise.reject(gone) }, /it is gone/],
      [stream(async () => some.pop() ?? Promise.reject(gone)), /it is gone/],
      [stream(async () => undefined), /[Ss]ize mismatch/],
    ];
    for (const [source, message] of sources) {
      const writing = { signal: new AbortController().signal, onBytes() {} };
      await assert.rejects(
        writeVolume(join(folder, 'x.tar'), volumeBytes(volume, source), volume.bytes, writing),
        message,
      );
      // An event that has no listener would come by now.
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(readdirSync(folder), []);
    }
  });

  it('is refused where a volume is too small for a manifest, or there would be too many', () => {
    const usage = (error: unknown) => error instanceof EntrepotError && error.code === 'USAGE';
    const manifest = [content(1, 300_000, 'sha256', true)];
    assert.throws(() => planVolumes(manifest, rest, { volumeSize: 100_000, files }), usage);
    const blob = [content(1, 10 ** 12)];
    assert.throws(() => planVolumes(blob, rest, { volumeSize: 2 ** 20, files }), usage);
  });

  it('counts a header of its own for a name that no header holds', () => {
    assert.equal(entryBytes(`blobs/sha256/${'a'.repeat(64)}`, 1), 1024);
    assert.equal(entryBytes(`blobs/sha512/${'a'.repeat(128)}`, 0), 1536);
  });
});
