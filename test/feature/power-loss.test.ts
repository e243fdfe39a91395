/**
 * The power goes while blobs are on their way in: whatever the disk has lost, no answer that is complete has a wrong byte in
 * it, be it the whole blob or a part. An orderly stop loses nothing, so transfers go on after a reboot.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { AppDeps } from '../../src/app.ts';
import { type RunningApp, startApp } from '../support/app.ts';
import { type Blob, generateBlob } from '../support/byte-source.ts';
import { patientClock } from '../support/clock.ts';
import { overlook, pullWhole, registriesConf } from '../support/cold-blobs.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts';
import { stallAfter } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get, open } from '../support/http-client.ts';
import { cutEverywhere } from '../support/power-cuts.ts';
import { recordDisk } from '../support/recorded-disk.ts';
import { tempFolder } from '../support/temp-folder.ts';

const size = 700_000;
const reached = 400_000;

async function setUp(t: TestContext) {
  const registry = await startFakeRegistry();
  t.after(() => registry.stop());
  const blobs = ['one', 'two'].map((seed) => generateBlob(size, seed));
  for (const blob of blobs) registry.putBlob(blob);
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'data'));
  return { registry, blobs: blobs as [Blob, Blob], folder };
}

/** On what lies in `folder`, in the boot of this name. */
async function startIn(t: TestContext, folder: string, registry: FakeRegistry, boot: string) {
  const deps: Partial<AppDeps> = { boot: () => boot, clock: patientClock };
  const proxy = await startApp(t, { registries: registriesConf([registry.host]), folder }, deps);
  return overlook<RunningApp>(proxy, [registry]);
}

type Site = Awaited<ReturnType<typeof startIn>>;

/** Fetches the first part of the blob and leaves; resolves when whoever comes next would find it. */
async function fetchPart(site: Site, registry: FakeRegistry, blob: Blob): Promise<{ goOn(): void }> {
  const hold = gate();
  const stall = registry.on({ digest: blob.digest }, stallAfter(reached, hold));
  const answer = await open(site.url(blob.digest));
  assert.equal((await answer.read(reached)).length, reached);
  answer.destroy();
  await eventually('saved ranges', () => site.incoming().some((name) => name.endsWith('.ranges')));
  return {
    goOn() {
      stall.remove();
      hold.release();
    },
  };
}

/** A part from the middle, then the whole. */
async function assertServed(site: Site, blob: Blob): Promise<void> {
  for (const [start, end] of [
    [100_000, 150_000],
    [reached - 50_000, reached],
  ] as const) {
    const part = await get(site.url(blob.digest), { headers: { range: `bytes=${start}-${end - 1}` } });
    assert.equal(part.status, 206);
    assert.ok(part.body.equals(blob.bytes(start, end)), `bytes ${start}-${end - 1} are wrong`);
  }
  await pullWhole(site.url(blob.digest), blob);
}

function startsAsked(registry: FakeRegistry, blob: Blob): number[] {
  return registry
    .matching({ digest: blob.digest, method: 'GET' })
    .map(({ headers }) => Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0));
}

describe('a power cut', () => {
  it('at any moment of a fill, a stop and a fill that goes on, never makes a wrong byte', async (t) => {
    const { registry, blobs, folder } = await setUp(t);
    const [first, second] = blobs;
    const disk = recordDisk(join(folder, 'data'));
    t.after(() => disk.stop());
    const site = await startIn(t, folder, registry, 'one');
    const filling = await fetchPart(site, registry, first);
    filling.goOn();
    await site.stored(first.digest);
    const part = await fetchPart(site, registry, second);
    await site.proxy.stop();
    part.goOn();
    const again = await startIn(t, folder, registry, 'one');
    await pullWhole(again.url(second.digest), second);
    await again.stored(second.digest);
    await again.proxy.stop();
    disk.stop();
    registry.clear();

    const check = async (data: string) => {
      const restored = tempFolder(t);
      cpSync(data, join(restored, 'data'), { recursive: true });
      const after = await startIn(t, restored, registry, 'two');
      for (const blob of blobs) await assertServed(after, blob);
      await after.proxy.stop();
    };
    await cutEverywhere(t, disk, check, 'bytes of large files are zeros');
  });
});

describe('a transfer that was in flight', () => {
  it('goes on from what is here after an orderly stop, in another boot too', async (t) => {
    const { registry, blobs, folder } = await setUp(t);
    const site = await startIn(t, folder, registry, 'one');
    const part = await fetchPart(site, registry, blobs[0]);
    await site.proxy.stop();
    part.goOn();
    const again = await startIn(t, folder, registry, 'two');
    await pullWhole(again.url(blobs[0].digest), blobs[0]);
    assert.ok(startsAsked(registry, blobs[0]).at(-1)! > 0);
  });

  for (const [boot, start] of Object.entries({ one: 'goes on', two: 'begins anew' })) {
    it(`${start} where the process was killed, ${boot === 'one' ? 'in the same boot' : 'with the machine'}`, async (t) => {
      const { registry, blobs, folder } = await setUp(t);
      const site = await startIn(t, folder, registry, 'one');
      const part = await fetchPart(site, registry, blobs[0]);
      const left = tempFolder(t);
      cpSync(site.proxy.data, join(left, 'data'), {
        recursive: true,
        filter: (path) => !path.endsWith('.sock'),
      });
      part.goOn();
      const again = await startIn(t, left, registry, boot);
      await pullWhole(again.url(blobs[0].digest), blobs[0]);
      assert.equal(startsAsked(registry, blobs[0]).at(-1)! > 0, boot === 'one');
      const warned = again.proxy.log.some(({ msg }) => /machine went down/.test(String(msg)));
      assert.equal(warned, boot === 'two');
    });
  }
});
