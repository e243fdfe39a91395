/** A disk without room, a real one: what is cached is served, commands say what is wrong, and it stops and starts as ever. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { runCommand } from '../support/commands.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { imageOf, kept, pull } from '../support/kept-images.ts';
import { cacheOf, insecureRegistry, settled, startMirrored } from '../support/mirrored-registry.ts';
import { startEntrepot } from '../support/processes.ts';
import { type SmallDisk, smallDisk } from '../support/small-disk.ts';

const KiB = 1024;
const toml = '[cache]\nmin_free = "0B"\n';
const image = imageOf('a', 500 * KiB);

/** `team/a:1` is cached, then something else fills the disk. */
async function full(t: TestContext, { reserve = true } = {}) {
  const disk = smallDisk(t, 16);
  if (!disk) {
    t.skip('needs root');
    return undefined;
  }
  const mirrored = await startMirrored(t, { toml, folder: disk.path });
  await pull(mirrored, 'team/a', image);
  if (!reserve) rmSync(join(mirrored.proxy.data, 'index-v1.reserve'));
  disk.fill();
  return { ...mirrored, disk, name: `${mirrored.registry.host}/team/a` };
}

describe('on a full disk', () => {
  it('what is cached is served, and goes when room is needed for what comes', async (t) => {
    const site = await full(t);
    if (!site) return;
    assert.equal(cacheOf(await site.get('team/a', 'manifests/1')), 'hit');
    const [old, fresh] = [imageOf('old', 5000 * KiB), imageOf('fresh', 300 * KiB)];
    site.disk.empty();
    await pull(site, 'team/old', old);
    site.disk.fill();
    await site.get('team/a', 'manifests/1');
    await pull(site, 'team/fresh', fresh);
    const images = { 'team/a': image, 'team/old': old, 'team/fresh': fresh };
    assert.deepEqual(await kept(site, images), ['team/a', 'team/fresh']);
  });

  it('purge gives room back', async (t) => {
    const site = await full(t);
    if (!site) return;
    const { code, stdout } = await runCommand(site.proxy, 'purge', site.name);
    assert.equal(code, 0);
    assert.match(stdout, /1 tag, 3 blobs and manifests of 501 KiB removed/);
    await pull(site, 'team/b', imageOf('b', 300 * KiB));
    assert.deepEqual(await kept(site, { 'team/b': imageOf('b', 300 * KiB) }), ['team/b']);
  });

  it('a pin that cannot be written is one clear line', async (t) => {
    const site = await full(t, { reserve: false });
    if (!site) return;
    for (const args of [
      ['pin', 'quay.io/a/b'],
      ['purge', site.name],
    ]) {
      const { code, stderr } = await runCommand(site.proxy, ...args);
      assert.equal(code, 1);
      assert.match(stderr, /^entrepot: \S+index-v1\.sqlite: the disk is full: make room[^\n]*\n$/);
    }
  });

  it('an index that cannot be written is told once, not with each request', async (t) => {
    const site = await full(t, { reserve: false });
    if (!site) return;
    const { registry, proxy, clock } = site;
    const about = () => proxy.log.filter(({ msg }) => msg === 'the index could not be written: a link');
    for (let n = 0; n < 20; n += 1) {
      registry.putImage(`team/b${n}`, '1', image);
      assert.equal((await site.get(`team/b${n}`, `blobs/${image.layers[0]!.digest}`)).complete, true);
    }
    assert.equal(about().length, 1);
    await clock.advance(60_000);
    registry.putImage('team/c', '1', image);
    await site.get('team/c', `blobs/${image.layers[0]!.digest}`);
    assert.equal(about().length, 2);
    assert.ok(Number(about()[1]?.repeated) >= 19);
  });

  it('it stops in order', async (t) => {
    const site = await full(t, { reserve: false });
    if (!site) return;
    assert.deepEqual(await site.proxy.stop(), { cut: 0 });
  });
});

/** A server of its own process on the disk; what its registry has is `team/a:1`. */
async function start(t: TestContext, disk: SmallDisk, registry: string) {
  const file = (name: string) => join(disk.path, name);
  writeFileSync(file('registries.conf'), insecureRegistry(registry));
  writeFileSync(file('entrepot.toml'), toml);
  const files = ['--registries', file('registries.conf'), '--config', file('entrepot.toml')];
  const running = await startEntrepot({ args: [...files, '--data', file('data')] });
  t.after(() => running.stop('SIGKILL'));
  return running;
}

describe('a server on a full disk', () => {
  it('ends with 0 on SIGTERM, starts again, and serves what it has without a registry', async (t) => {
    const disk = smallDisk(t, 16);
    if (!disk) return t.skip('needs root');
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    registry.putImage('team/a', '1', image);
    const path = (url: string, rest: string) => `${url}/v2/${registry.host}/team/a/${rest}`;
    const first = await start(t, disk, registry.host);
    for (const rest of ['manifests/1', ...image.blobs.map(({ digest }) => `blobs/${digest}`)]) {
      assert.equal((await get(path(first.url, rest))).complete, true);
    }
    await settled(first);
    disk.fill();
    assert.deepEqual(await first.stop(), { code: 0, signal: null });
    assert.equal(first.stderr, '');
    await registry.refuse();
    const last = await start(t, disk, registry.host);
    for (const rest of ['manifests/1', ...image.blobs.map(({ digest }) => `blobs/${digest}`)]) {
      const answer = await get(path(last.url, rest));
      assert.deepEqual([answer.status, answer.complete], [200, true]);
    }
    assert.deepEqual(await last.stop(), { code: 0, signal: null });
  });
});
