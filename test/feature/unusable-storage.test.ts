/** Storage that refuses: files that cannot be opened, folders that were removed, a file system without inodes, a clock that was ahead. */
import assert from 'node:assert/strict';
import { renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { bundleVolumes, writeArchive } from '../support/archives.ts';
import { createManualClock } from '../support/clock.ts';
import { runCommand } from '../support/commands.ts';
import { imageOf, kept, pull } from '../support/kept-images.ts';
import { cacheOf, type MirroredRegistry, settled, startMirrored } from '../support/mirrored-registry.ts';
import { failingDisk, smallDisk } from '../support/small-disk.ts';
import { storedFile } from '../support/stored-files.ts';
import { tempFolder } from '../support/temp-folder.ts';

const KiB = 1024;
const image = imageOf('a', 100 * KiB);
const digests = [image.digest, ...image.blobs.map(({ digest }) => digest)];
const paths = ['manifests/1', ...image.blobs.map(({ digest }) => `blobs/${digest}`)];

/** A link to itself: no process can open it, whatever its rights. */
function close(data: string): () => void {
  const files = digests.map((digest) => storedFile(data, digest));
  for (const file of files) {
    renameSync(file, `${file}.aside`);
    symlinkSync(file, file);
  }
  return () => {
    for (const file of files) renameSync(`${file}.aside`, file);
  };
}

/** `team/a:1` was pulled, then the server was started again on files that cannot be opened. */
async function closed(t: TestContext) {
  const first = await startMirrored(t);
  await pull(first, 'team/a', image);
  await first.proxy.stop();
  const reopen = close(first.proxy.data);
  const { folder, options } = first.proxy;
  const registries = `[[registry]]\nlocation = "${first.registry.host}"\ninsecure = true\n`;
  const proxy = await startApp(t, { registries, folder }, { clock: first.clock });
  const site: MirroredRegistry = {
    ...first,
    proxy,
    at: (repository, path) => `${proxy.url}/v2/${first.registry.host}/${repository}/${path}`,
    get: async (repository, path) => {
      const { get } = await import('../support/http-client.ts');
      return get(`${proxy.url}/v2/${first.registry.host}/${repository}/${path}`);
    },
  };
  return { ...site, options, reopen };
}

describe('content that cannot be opened', () => {
  it('is fetched again, once, and told of once', async (t) => {
    const site = await closed(t);
    for (const path of paths) {
      const answer = await site.get('team/a', path);
      assert.deepEqual([answer.status, answer.complete, cacheOf(answer)], [200, true, 'fetched']);
    }
    await settled(site.proxy);
    for (const path of paths) assert.equal(cacheOf(await site.get('team/a', path)), 'hit');
    const told = site.proxy.log.filter(({ msg }) => String(msg).startsWith('a stored content cannot be'));
    assert.deepEqual(told.map(({ digest }) => digest).sort(), [...digests].sort());
  });

  it('is an upstream failure without a registry, and comes back with its rights', async (t) => {
    const site = await closed(t);
    await site.registry.refuse();
    for (const path of paths) assert.equal((await site.get('team/a', path)).status, 502);
    site.reopen();
    assert.equal((await runCommand(site.proxy, 'gc')).code, 0);
    for (const path of paths) assert.equal((await site.get('team/a', path)).status, 200);
  });

  it('is found by scrub, which fetches it again', async (t) => {
    const site = await closed(t);
    const { json, code } = await runCommand(site.proxy, 'scrub', '--json');
    assert.equal(code, 0);
    assert.deepEqual(
      json.damaged.map(({ repaired }: { repaired: boolean }) => repaired),
      [true, true, true],
    );
    for (const path of paths) assert.equal(cacheOf(await site.get('team/a', path)), 'hit');
  });

  it('is told by each scrub that cannot fetch it, and keeps its tags', async (t) => {
    const site = await closed(t);
    await site.registry.refuse();
    for (let n = 0; n < 2; n += 1) {
      const { json, code } = await runCommand(site.proxy, 'scrub', '--json');
      assert.equal(code, 1);
      assert.deepEqual(
        json.unreadable.map(({ digest }: { digest: string }) => digest).sort(),
        [...digests].sort(),
      );
    }
    site.reopen();
    await runCommand(site.proxy, 'gc');
    assert.equal((await site.get('team/a', 'manifests/1')).status, 200);
  });
});

describe('folders that are removed while the server runs', () => {
  for (const name of ['incoming', 'content-v1/sha256', 'content-v1']) {
    it(`${name} is made again`, async (t) => {
      const mirrored = await startMirrored(t);
      await pull(mirrored, 'team/a', image);
      rmSync(join(mirrored.proxy.data, name), { recursive: true });
      const other = imageOf('b', 100 * KiB);
      await pull(mirrored, 'team/b', other);
      assert.deepEqual(await kept(mirrored, { 'team/b': other }), ['team/b']);
      assert.equal(cacheOf(await mirrored.get('team/b', 'manifests/1')), 'hit');
    });
  }
});

describe('a file system that has bytes and no inodes', () => {
  it('makes room by eviction, and what comes is cached again', async (t) => {
    const disk = smallDisk(t, 64, 'nr_inodes=450');
    if (!disk) return t.skip('needs root');
    const mirrored = await startMirrored(t, { toml: '[cache]\nmin_free = "0B"\n', folder: disk.path });
    const images = Object.fromEntries(
      Array.from({ length: 36 }, (_, n) => [`team/i${n}`, imageOf(`i${n}`, ...Array<number>(12).fill(KiB))]),
    );
    for (const [name, one] of Object.entries(images)) await pull(mirrored, name, one);
    const left = await kept(mirrored, images);
    assert.ok(left.length > 5, `only ${left} are left`);
    assert.ok(
      ['team/i33', 'team/i34', 'team/i35'].some((name) => left.includes(name)),
      `${left}`,
    );
  });
});

describe('a disk that refuses all writes after an error', () => {
  it('is one clear line of each command, with the server and without one', async (t) => {
    const disk = failingDisk(t);
    if (!disk) return t.skip('needs root and ext4 on a loop device');
    const mirrored = await startMirrored(t, { folder: disk.path });
    const { proxy, registry, get } = mirrored;
    await pull(mirrored, 'team/a', image);
    disk.fail();
    const refused =
      /^entrepot: \/[^\n]*: (?:the disk refuses to read or write|the file system is read-only)[^\n]*\n$/;
    const [volume = assert.fail('no volume')] = bundleVolumes([{ name: 'quay.io/a', tag: '1', image }]);
    const archive = writeArchive(join(tempFolder(t), 'a.tar'), volume);
    const commands = [
      ['pin', `${registry.host}/team/a:1`],
      ['import', archive],
    ];
    for (const args of commands) {
      const { code, stderr } = await runCommand(proxy, ...args, '--json');
      assert.equal(code, 1);
      assert.match(stderr, refused);
    }
    assert.equal((await get('team/a', 'manifests/1')).status, 200);
    assert.equal((await fetch(`${proxy.url}/readyz`)).status, 503);
    await proxy.stop();
    for (const args of commands) {
      const { code, stderr } = await runCommand(proxy, ...args, '--json');
      assert.equal(code, 1);
      assert.match(stderr, refused);
    }
  });
});

describe('a clock that was ahead', () => {
  it('does not turn the order of last use round', async (t) => {
    const year = 365 * 86_400_000;
    const ahead = createManualClock(Date.UTC(2026, 0, 1) + 10 * year);
    const toml = '[cache]\nmax_size = "400KiB"\n';
    const first = await startMirrored(t, { toml, app: { clock: ahead } });
    for (const name of ['x', 'y']) {
      first.registry.putImage(name, '1', imageOf(name, 100 * KiB));
      for (const path of ['manifests/1', `blobs/${imageOf(name, 100 * KiB).layers[0]!.digest}`]) {
        await first.get(name, path);
      }
      await settled(first.proxy);
      await ahead.advance(1000);
    }
    await first.proxy.stop();
    const second = await startMirrored(t, { toml, folder: first.proxy.folder });
    const images = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, imageOf(name, 100 * KiB)]));
    for (const [name, one] of Object.entries(images)) await pull(second, name, one);
    assert.deepEqual(await kept(second, images), ['a', 'b', 'c']);
  });
});
