/** `entrepot export`: what a bundle holds, and what becomes of it when things go wrong (issue 14). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import type { ExportProgress, ExportReport } from '../../src/airgap/export/export-request.ts';
import { printReceipt } from '../../src/airgap/receipt.ts';
import { EntrepotError } from '../../src/errors.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { type RunningApp, startApp } from '../support/app.ts';
import { bundleVolumes } from '../support/archives.ts';
import { filesOf, hashesOf, readBundle, readTar } from '../support/bundles.ts';
import { runCommand } from '../support/commands.ts';
import { type AskedExport, exportTo } from '../support/exporting.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts';
import { status } from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildArtifact, buildImage, buildIndex } from '../support/images.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { imageManifest, pusher } from '../support/pusher.ts';
import { smallDisk } from '../support/small-disk.ts';
import { tempFolder } from '../support/temp-folder.ts';

const image = buildImage({ seed: 'app', layers: [300_000, 1000] });
const other = buildImage({ seed: 'other', layers: [50_000] });
const index = buildIndex({ seed: 'multi', layers: [3000] });
const local = `
[access]
anonymous = ["pull", "push"]
[[push]]
match = "images.local/**"
mode = "local"
`;
const signature = buildArtifact(image, { content: 'signed' });

interface Site {
  readonly registry: FakeRegistry;
  readonly proxy: RunningApp;
  /** Path of the bundle. */
  readonly to: string;
  run(asked: Partial<AskedExport>): Promise<ExportReport>;
  name(reference: string): string;
}

async function site(t: TestContext, toml = ''): Promise<Site> {
  const registry = await startFakeRegistry();
  t.after(() => registry.stop());
  registry.putImage('team/app', '1.0', image);
  registry.putImage('team/other', '2', other);
  registry.putImage('team/multi', 'all', index);
  const proxy = await startApp(t, { registries: insecureRegistry(registry.host), toml });
  const to = join(tempFolder(t), 'site');
  return {
    registry,
    proxy,
    to,
    run: (asked) => exportTo(proxy, { to, ...asked }),
    name: (reference) => `${registry.host}/team/${reference}`,
  };
}

/** All digests of images, sorted. */
function digestsOf(...images: readonly (typeof image)[]): readonly string[] {
  const all = images.flatMap((one) => [one, ...one.children, ...one.blobs]).map(({ digest }) => digest);
  return [...new Set<string>(all)].toSorted();
}

function receiptFile(to: string, store: string, digests: readonly string[]): string {
  const file = `${to}-${store}.receipt.json`;
  const created = '2026-01-02T03:04:05.000Z';
  writeFileSync(file, printReceipt({ store, created, bundles: [], digests: digests as Digest[] }));
  return file;
}

async function refused(work: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof EntrepotError, String(error));
    assert.equal(error.code, code);
    assert.match(error.located, message);
    return true;
  });
}

describe('a bundle', () => {
  it('holds what was fetched for it, with the manifests first, and is checked by sha256sum', async (t) => {
    const { run, to, name } = await site(t);
    const report = await run({ images: [name('app:1.0'), name('multi:all')] });
    assert.deepEqual(report.failures, []);
    assert.deepEqual(filesOf(to), ['site.0001.tar', 'site.sha256sums']);
    execFileSync('sha256sum', ['--strict', '-c', 'site.sha256sums'], { cwd: dirname(to) });
    const { contents, manifests } = await readBundle(to);
    assert.deepEqual([...contents.keys()].toSorted(), digestsOf(image, index));
    assert.equal(manifests[0]?.bundle, report.bundle);
    const names = (await readTar(`${to}.0001.tar`)).map(({ header }) => header.name);
    assert.deepEqual(names.slice(0, 3), ['entrepot-bundle.json', 'oci-layout', 'index.json']);
    const digests = names.slice(3).map((path) => path.slice('blobs/'.length).replace('/', ':'));
    const isManifest = digests.map((digest) =>
      [image, index, ...index.children].some((one) => one.digest === digest),
    );
    assert.deepEqual(
      isManifest,
      isManifest.toSorted((a, b) => Number(b) - Number(a)),
    );
  });

  it('has the same bytes on another machine, in another order, and says no time unless it is told one', async (t) => {
    const one = await site(t);
    const wanted = [one.name('app:1.0'), one.name('other:2')];
    await one.run({ images: wanted, volumeSize: 128 * 1024 });
    const again = join(tempFolder(t), 'site');
    const { folder } = one.proxy;
    await one.proxy.stop();
    rmSync(join(folder, 'data'), { recursive: true });
    const fresh = await startApp(t, { registries: insecureRegistry(one.registry.host), folder });
    const asked = { to: again, images: wanted.toReversed(), volumeSize: 128 * 1024 };
    await exportTo(fresh, asked);
    assert.deepEqual(hashesOf(again), hashesOf(one.to));
    const timed = join(tempFolder(t), 'site');
    const created = '2026-01-02T03:04:05.000Z';
    await exportTo(fresh, { ...asked, to: timed, created });
    assert.equal((await readBundle(timed)).manifests[0]?.created, created);
  });

  it('is split at the size of a volume, with blobs that are cut', async (t) => {
    const { run, to, name } = await site(t);
    const volumeSize = 128 * 1024;
    const report = await run({ images: [name('app:1.0'), name('other:2')], volumeSize });
    assert.ok(report.volumes.length > 2);
    for (const { file, bytes, sha256 } of report.volumes) {
      const written = readFileSync(join(dirname(to), file));
      assert.ok(written.length <= volumeSize);
      assert.equal(written.length, bytes);
      assert.equal(createHash('sha256').update(written).digest('hex'), sha256);
      execFileSync('tar', ['-tf', join(dirname(to), file)]);
    }
    const { contents, manifests } = await readBundle(to);
    assert.deepEqual([...contents.keys()].toSorted(), digestsOf(image, other));
    assert.deepEqual(new Set(manifests.map(({ bundle }) => bundle)), new Set([report.bundle]));
  });

  it('takes signatures along: referrers, and tags that belong to a manifest', async (t) => {
    const { run, registry, to, name } = await site(t);
    registry.putImage('team/app', undefined, signature);
    const tag = `${image.digest.replace(':', '-')}.sig`;
    registry.putImage('team/app', tag, other);
    const { failures } = await run({ images: [name('app:1.0')] });
    assert.deepEqual(failures, []);
    const { contents, manifests } = await readBundle(to);
    assert.deepEqual([...contents.keys()].toSorted(), digestsOf(image, signature, other));
    const refs = manifests[0]?.refs as { tag: string | null; digest: string }[];
    assert.deepEqual(
      refs.map((ref) => `${ref.tag} ${ref.digest}`).toSorted(),
      [`1.0 ${image.digest}`, `${tag} ${other.digest}`, `null ${signature.digest}`].toSorted(),
    );
    const bare = join(tempFolder(t), 'bare');
    await run({ to: bare, images: [name('app:1.0')], referrers: false });
    assert.deepEqual([...(await readBundle(bare)).contents.keys()].toSorted(), digestsOf(image));
  });

  it('has the platforms that are wanted, and says which it leaves out', async (t) => {
    const { run, to, name } = await site(t);
    await run({ images: [name('multi:all')], platforms: ['linux/amd64'] });
    const [amd64, arm64] = index.images;
    const { contents, manifests } = await readBundle(to);
    assert.deepEqual([...contents.keys()].toSorted(), [index.digest, ...digestsOf(amd64!)].toSorted());
    assert.deepEqual(manifests[0]?.omitted, [{ digest: arm64?.digest, why: 'platform' }]);
  });

  it('takes globs over what is known here, what a [[sync]] block selects, and what is pushed', async (t) => {
    const { run, proxy, registry, to, name } = await site(t);
    await get(`${proxy.url}/v2/${registry.host}/team/app/manifests/1.0`);
    await proxy.reload({
      toml: `[[sync]]\nname = "multi"\nsource = "${name('multi')}"\nplatforms = ["linux/arm64"]\n`,
    });
    const { failures, notes, images } = await run({ images: ['**/app:*', 'quay.io/**'], syncs: ['multi'] });
    assert.deepEqual([failures, notes], [[], ['nothing that is known here matches quay.io/**']]);
    assert.deepEqual(
      images.map(({ reference }) => reference),
      [name('app:1.0'), name('multi:all')],
    );
    const { contents } = await readBundle(to);
    assert.ok(contents.has(index.images[1]!.digest) && !contents.has(index.images[0]!.digest));
  });
});

describe('an export with something missing', () => {
  it('leaves the image out as a whole, says so, and writes the others', async (t) => {
    const { run, registry, to, name } = await site(t);
    registry.removeBlob(other.layers[0]!.digest);
    const report = await run({ images: [name('app:1.0'), name('other:2'), name('none:1')] });
    assert.equal(report.failures.length, 2);
    assert.match(report.failures.join('\n'), /team\/none:1 is left out.*not found/);
    assert.match(report.failures.join('\n'), /team\/other:2 is left out/);
    assert.deepEqual([...(await readBundle(to)).contents.keys()].toSorted(), digestsOf(image));
  });

  it('writes nothing where nothing is there', async (t) => {
    const { run, to, name } = await site(t);
    const report = await run({ images: [name('none:1')] });
    assert.deepEqual([report.bundle, filesOf(to)], [null, []]);
  });

  it('says before it fetches a blob that the cache has no room for all, with the figures and the way out', async (t) => {
    const size = image.blobs.reduce((sum, blob) => sum + blob.size, 0);
    const { run, to, name, registry, proxy } = await site(t, `[cache]\nmax_size = "${size + 20_000}"\n`);
    const images = [name('app:1.0'), name('other:2')];
    const figures =
      /have \d+KiB in all, and cache\.max_size has room for \d+KiB: make room there, or export fewer/;
    await refused(run({ images }), 'BUNDLE_UNWRITABLE', figures);
    assert.equal(registry.count({ kind: 'blob' }), 0);
    assert.deepEqual(filesOf(to), []);
    for (const reference of images)
      assert.deepEqual(
        (await run({ images: [reference], to: `${to}-${images.indexOf(reference)}` })).failures,
        [],
      );

    const quota = `[[cache.quota]]\nmatch = "${registry.host}/team/**"\nmax_size = "${size + 20_000}"\n`;
    await proxy.reload({ toml: quota });
    const ofQuota = /in all, and the quota of \S+\/team\/\*\* has room for/;
    await refused(run({ images }), 'BUNDLE_UNWRITABLE', ofQuota);
  });

  it('says that hosted images leave no room', async (t) => {
    const { run, name, registry, proxy } = await site(t, '[cache]\nmax_size = "700KiB"\n');
    const hosted = buildImage({ seed: 'hosted', layers: [500_000] });
    const [volume] = bundleVolumes([{ name: `${registry.host}/team/hosted`, tag: '1', image: hosted }]);
    const bytes = Readable.from([volume!], { objectMode: true });
    await proxy.app.administration.importVolume({ file: 'hosted.0001.tar', bytes }, {});
    const figures = /must be fetched, and cache\.max_size leaves room for \d+KiB beside what is hosted/;
    await refused(run({ images: [name('app:1.0')] }), 'BUNDLE_UNWRITABLE', figures);
  });

  it('offline, exports what is here', async (t) => {
    const { run, proxy, registry, to, name } = await site(t);
    await run({ images: [name('app:1.0')], to: `${to}-before` });
    await proxy.reload({ toml: '[upstream]\noffline = true\n' });
    const report = await run({ images: [name('app:1.0'), name('other:2')] });
    assert.equal(report.failures.length, 1);
    assert.match(report.failures[0]!, /team\/other:2 is left out.*offline/);
    assert.deepEqual([...(await readBundle(to)).contents.keys()].toSorted(), digestsOf(image));
    assert.equal(registry.count({ path: /other/ }), 0);
  });

  it('tells that referrers could not be listed', async (t) => {
    const { run, registry, name } = await site(t);
    registry.on({ kind: 'referrers' }, status(500));
    const { failures, bundle } = await run({ images: [name('app:1.0')] });
    assert.match(failures.join('\n'), /referrers of sha256:.* could not be listed/);
    assert.notEqual(bundle, null);
  });
});

describe('an increment', () => {
  it('leaves out what a receipt lists, and what all sites have', async (t) => {
    const { run, to, name } = await site(t);
    const [shared, only] = image.layers.map(({ digest }) => digest);
    const base = [receiptFile(to, 'a', [shared!, only!]), receiptFile(to, 'b', [shared!])];
    const first = await run({ images: [name('app:1.0')], base: base.slice(0, 1), to: `${to}-a` });
    assert.deepEqual(
      first.omitted.map(({ digest, why }) => `${digest} ${why}`),
      [shared, only].toSorted().map((digest) => `${digest} base`),
    );
    const both = await run({ images: [name('app:1.0')], base });
    assert.deepEqual(both.omitted, [{ digest: shared, why: 'base' }]);
    const { contents, manifests } = await readBundle(to);
    assert.deepEqual(
      [...contents.keys()].toSorted(),
      digestsOf(image).filter((one) => one !== shared),
    );
    assert.equal((manifests[0]?.base as unknown[] | undefined)?.length, 2);
  });

  it('takes an earlier bundle as delivered, and says so', async (t) => {
    const { run, to, name } = await site(t);
    await run({ images: [name('app:1.0')], to: `${to}-first` });
    const since = [`${to}-first.0001.tar`];
    const { notes } = await run({ images: [name('app:1.0'), name('other:2')], since });
    assert.match(notes.join('\n'), /taken as delivered: no receipt says so/);
    const here = new Set([...(await readBundle(to)).contents.keys()]);
    assert.deepEqual(
      [...here].toSorted(),
      digestsOf(other).filter((one) => !digestsOf(image).includes(one)),
    );
  });

  it('is refused with a receipt that is damaged or missing', async (t) => {
    const { run, to, name } = await site(t);
    const file = receiptFile(to, 'a', [image.digest]);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"a"', '"b"'));
    await refused(run({ images: [name('app:1.0')], base: [file] }), 'BUNDLE_INVALID', /not the digest/);
    await refused(run({ images: [name('app:1.0')], base: [`${to}.x`] }), 'BUNDLE_INVALID', /cannot be read/);
    await refused(
      run({ images: [name('app:1.0')], since: [file] }),
      'BUNDLE_INVALID',
      /is no tar: it is shorter than a header/,
    );
  });
});

describe('an export that goes on', () => {
  const volumeSize = 128 * 1024;

  it('keeps the volumes that are right, and writes the others again', async (t) => {
    const { run, to, name } = await site(t);
    const images = [name('app:1.0'), name('other:2')];
    await run({ images, volumeSize });
    const before = hashesOf(to);
    truncateSync(`${to}.0002.tar`, 20_000);
    rmSync(`${to}.0003.tar`);
    writeFileSync(`${to}.0003.tar.partial`, 'half');
    const { volumes } = await run({ images, volumeSize });
    await assert.rejects(async () => readFileSync(`${to}.0003.tar.partial`));
    assert.deepEqual(volumes.map(({ isKept }) => isKept).slice(0, 3), [true, false, false]);
    assert.deepEqual(hashesOf(to), before);
  });

  it('writes a volume again whose bytes are wrong, though it is of the same bundle', async (t) => {
    const { run, to, name } = await site(t);
    await run({ images: [name('app:1.0')] });
    const before = hashesOf(to);
    const bytes = readFileSync(`${to}.0001.tar`);
    bytes[bytes.length - 2000] = bytes[bytes.length - 2000]! ^ 1;
    writeFileSync(`${to}.0001.tar`, bytes);
    const { volumes } = await run({ images: [name('app:1.0')] });
    assert.equal(volumes[0]?.isKept, false);
    assert.deepEqual(hashesOf(to), before);
  });

  it('leaves no half volume when it is cancelled, and goes on afterwards', async (t) => {
    const { run, proxy, to, name } = await site(t);
    const images = [name('app:1.0'), name('other:2')];
    const stop = new AbortController();
    const onProgress = (at: ExportProgress) => {
      if (at.step === 'write') stop.abort();
    };
    const cancelled = exportTo(proxy, { to, images, volumeSize }, { signal: stop.signal, onProgress });
    await refused(cancelled, 'BUNDLE_UNWRITABLE', /was cancelled/);
    assert.deepEqual(
      filesOf(to).filter((file) => file.endsWith('.partial') && !file.includes('sums')),
      [],
    );
    await run({ images, volumeSize });
    execFileSync('sha256sum', ['--strict', '-c', 'site.sha256sums'], { cwd: dirname(to) });
    assert.deepEqual([...(await readBundle(to)).contents.keys()].toSorted(), digestsOf(image, other));
  });
});

describe('a destination', () => {
  it('that holds another bundle, or something else, is left as it is', async (t) => {
    const { run, to, name } = await site(t);
    await run({ images: [name('other:2')] });
    const before = hashesOf(to);
    await refused(run({ images: [name('app:1.0')] }), 'BUNDLE_UNWRITABLE', /site\.0001\.tar: is in the way/);
    assert.deepEqual(hashesOf(to), before);
    writeFileSync(`${to}-b.0007.tar`, 'mine');
    await refused(run({ images: [name('app:1.0')], to: `${to}-b` }), 'BUNDLE_UNWRITABLE', /in the way/);
    mkdirSync(`${to}-c.0001.tar`);
    await refused(run({ images: [name('app:1.0')], to: `${to}-c` }), 'BUNDLE_UNWRITABLE', /in the way/);
  });

  it('is not written through a link', async (t) => {
    const { run, to, name } = await site(t);
    const target = join(tempFolder(t), 'precious');
    writeFileSync(target, 'precious');
    symlinkSync(target, `${to}.0001.tar.partial`);
    symlinkSync(target, `${to}.sha256sums.partial`);
    await run({ images: [name('app:1.0')] });
    symlinkSync(target, `${to}-b.0001.tar`);
    await refused(run({ images: [name('app:1.0')], to: `${to}-b` }), 'BUNDLE_UNWRITABLE', /in the way/);
    assert.equal(readFileSync(target, 'utf8'), 'precious');
  });

  it('that is missing, or has a name that other tools would escape, is refused before anything is fetched', async (t) => {
    const { run, registry, to, name } = await site(t);
    const images = [name('app:1.0')];
    const missing = join(dirname(to), randomUUID(), 'site');
    await refused(
      run({ images, to: missing }),
      'BUNDLE_UNWRITABLE',
      /there is no such folder: make it, or mount what belongs there/,
    );
    await refused(
      run({ images, to: dirname(to) }),
      'USAGE',
      /--to is a folder: say the name .*, such as .*\/site$/,
    );
    for (const wrong of ['/', `${to}/`, `${to}\n`, `${dirname(to)}/-x`, 'relative'])
      await refused(run({ images, to: wrong }), 'USAGE', /--to must be/);
    assert.equal(registry.count({}), 0);
  });

  it('without room is refused before a volume is written', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    registry.putImage('team/app', '1.0', image);
    const to = join(tempFolder(t), 'site');
    const proxy = await startApp(t, { registries: insecureRegistry(registry.host) });
    const images = [`${registry.host}/team/app:1.0`];
    const exported = exportTo(proxy, { to, images }, { freeBytes: () => 100_000 });
    await refused(exported, 'BUNDLE_UNWRITABLE', /has 98KiB free, and the bundle needs 3\d\dKiB/);
    assert.deepEqual(filesOf(to), []);
  });

  it('that fills up midway keeps the whole volumes, and the export goes on once there is room', async (t) => {
    const disk = smallDisk(t, 1);
    if (!disk) return t.skip('needs root');
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const large = buildImage({ seed: 'large', layers: [1_500_000] });
    registry.putImage('team/app', '1.0', large);
    const to = join(disk.path, 'site');
    const proxy = await startApp(t, { registries: insecureRegistry(registry.host) });
    const asked = { images: [`${registry.host}/team/app:1.0`], volumeSize: 400_000 };
    const run = (where: string) => exportTo(proxy, { ...asked, to: where }, { freeBytes: () => 10 ** 12 });
    await refused(run(to), 'BUNDLE_UNWRITABLE', /site\.0003\.tar: cannot be written: has no room left/);
    const left = filesOf(to).filter((file) => !file.includes('sha256sums'));
    assert.deepEqual(left, ['site.0001.tar', 'site.0002.tar']);
    const elsewhere = join(tempFolder(t), 'site');
    for (const file of filesOf(to)) copyFileSync(join(disk.path, file), join(dirname(elsewhere), file));
    const { volumes } = await run(elsewhere);
    assert.deepEqual(volumes.map(({ isKept }) => isKept).slice(0, 3), [true, true, false]);
    assert.ok((await readBundle(elsewhere)).contents.has(large.layers[0]!.digest));
  });

  it('with volumes that are too small is refused with the size that is needed', async (t) => {
    const { run, name } = await site(t);
    await refused(run({ images: [name('app:1.0')], volumeSize: 4096 }), 'USAGE', /at least \d+MiB/);
  });
});

describe('the command', () => {
  it('works beside a running server and without one, and signs for a plain OpenSSL', async (t) => {
    const { proxy, to, name } = await site(t);
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const key = join(proxy.folder, 'bundle.key');
    writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    writeFileSync(`${key}.pub`, publicKey.export({ type: 'spki', format: 'pem' }));
    const args = ['export', '--to', to, '--sign', key, name('app:1.0'), '--json'];
    const first = await runCommand(proxy, ...args);
    assert.equal(first.code, 0, first.stderr);
    assert.equal(first.json.volumes[0].isKept, false);
    const verify = ['pkeyutl', '-verify', '-pubin', '-inkey', `${key}.pub`, '-rawin'];
    execFileSync('openssl', [...verify, '-in', `${to}.sha256sums`, '-sigfile', `${to}.sha256sums.sig`]);
    const before = hashesOf(to);
    await proxy.stop();
    const second = await runCommand(proxy, ...args);
    assert.equal(second.code, 0, second.stderr);
    assert.equal(second.json.volumes[0].isKept, true);
    rmSync(`${to}.0001.tar`);
    await runCommand(proxy, ...args);
    assert.deepEqual(hashesOf(to), before);
  });

  it('makes volumes that import takes in, and takes its receipt back', async (t) => {
    const { proxy, registry, to, name } = await site(t);
    registry.putImage('team/app', undefined, signature);
    const exported = await runCommand(
      proxy,
      'export',
      '--to',
      to,
      '--volume-size',
      '128KiB',
      name('app:1.0'),
    );
    assert.equal(exported.code, 0, exported.stderr);
    const there = await startApp(t, {
      registries: insecureRegistry(registry.host),
      toml: '[upstream]\noffline = true\n',
    });
    const receipt = join(there.folder, 'site.receipt.json');
    const imported = await runCommand(there, 'import', dirname(to), '--receipt', receipt);
    assert.equal(imported.code, 0, imported.stdout + imported.stderr);
    const base = `${there.url}/v2/${registry.host}/team/app`;
    const tagged = await get(`${base}/manifests/1.0`);
    assert.equal(tagged.headers['docker-content-digest'], image.digest);
    for (const { digest } of image.blobs) assert.equal((await get(`${base}/blobs/${digest}`)).status, 200);
    const referrers = JSON.parse((await get(`${base}/referrers/${image.digest}`)).body.toString());
    assert.deepEqual(
      referrers.manifests.map(({ digest }: { digest: string }) => digest),
      [signature.digest],
    );
    const increment = ['export', '--to', `${to}-2`, '--base', receipt, name('app:1.0'), name('other:2')];
    assert.equal((await runCommand(proxy, ...increment)).code, 0);
    const contents = [...(await readBundle(`${to}-2`)).contents.keys()];
    assert.deepEqual(
      contents.toSorted(),
      digestsOf(other).filter((one) => !digestsOf(image, signature).includes(one)),
    );
    const second = await runCommand(there, 'import', `${to}-2.0001.tar`, '--receipt', receipt);
    assert.equal(second.code, 0, second.stdout + second.stderr);
    const other2 = await get(`${there.url}/v2/${registry.host}/team/other/manifests/2`);
    assert.equal(other2.headers['docker-content-digest'], other.digest);
  });

  it('reads lists and manifests of Kubernetes, tells a dry run, and what is lacking elsewhere', async (t) => {
    const { proxy, to, name } = await site(t);
    const list = join(proxy.folder, 'images.txt');
    writeFileSync(list, `# mine\n${name('app:1.0')}  # one\n\n`);
    const pods = join(proxy.folder, 'pods.yaml');
    writeFileSync(pods, `kind: Pod\nspec:\n  containers:\n  - image: ${name('other:2')}\n`);
    const what = ['--from-list', list, '--from-kubernetes', pods];
    const dry = await runCommand(proxy, 'export', '--dry-run', ...what);
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /its size is known only once it is fetched/);
    assert.equal(existsSync(`${to}.0001.tar`), false);
    const done = await runCommand(proxy, 'export', '--to', to, ...what);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /^wrote 2 images, /);
    const receipt = receiptFile(to, 'there', digestsOf(image));
    const check = await runCommand(proxy, 'export', '--check', receipt, ...what, '--json');
    assert.equal(check.code, 3, check.stderr);
    assert.deepEqual(
      check.json.lacking.toSorted(),
      digestsOf(other).filter((one) => !digestsOf(image).includes(one)),
    );
    const none = await runCommand(
      proxy,
      'export',
      '--check',
      receiptFile(to, 'all', digestsOf(image, other)),
      ...what,
    );
    assert.deepEqual(
      [none.code, none.stdout.split('\n')[0]],
      [0, 'lacking there: 0 blobs and manifests, 0 B'],
    );
  });

  it('writes the configuration of the clients there for exactly the exported images', async (t) => {
    const { registry, to } = await site(t);
    const registries = `[[registry]]\nprefix = "quay.io"\nlocation = "${registry.host}"\ninsecure = true\n`;
    const proxy = await startApp(t, { registries });
    const name = (reference: string) => `quay.io/team/${reference}`;
    const args = [
      'export',
      '--to',
      to,
      name('app:1.0'),
      '--config-for',
      'mirror.corp:5000',
      '--sealed',
      '--json',
    ];
    const first = await runCommand(proxy, ...args);
    assert.equal(first.code, 0, first.stderr);
    assert.deepEqual(
      first.json.client.notes.filter((note: string) => note.startsWith('pull-from-mirror')),
      [],
    );
    const files = first.json.client.files.map((file: string) => file.slice(`${to}.config/`.length));
    const names = ['idms.yaml', 'itms.yaml', 'registries.conf', 'registries.yaml'];
    assert.deepEqual(files, ['certs.d/quay.io/hosts.toml', ...names]);
    const idms = readFileSync(`${to}.config/idms.yaml`, 'utf8');
    assert.match(idms, /source: "quay\.io\/team\/app"$/m);
    assert.match(idms, /NeverContactSource/);
    assert.doesNotMatch(idms, /team\/other/);
    const before = files.map((file: string) => readFileSync(`${to}.config/${file}`, 'utf8'));
    assert.equal((await runCommand(proxy, ...args)).code, 0);
    assert.deepEqual(
      files.map((file: string) => readFileSync(`${to}.config/${file}`, 'utf8')),
      before,
    );
    const wrong = await runCommand(proxy, 'export', '--to', to, name('app:1.0'), '--sealed');
    assert.deepEqual([wrong.code, /--sealed needs --config-for/.test(wrong.stderr)], [2, true]);
  });

  it('writes by its name what was pushed here, of a registry that is nowhere else', async (t) => {
    const { proxy, run } = await site(t, local);
    const client = pusher(proxy.url, 'images.local/team/app');
    for (const bytes of ['{}', 'a layer']) await client.blob(bytes);
    assert.equal((await client.manifest('1', imageManifest(['{}', 'a layer']))).status, 201);
    const { contents, failures } = await run({ images: ['images.local/team/app:1'] });
    assert.deepEqual([contents, failures], [3, []]);
    await refused(run({ images: ['elsewhere.local/app:1'] }), 'REFERENCE_INVALID', /not listed/);
  });

  it('says what is wrong with its arguments', async (t) => {
    const { proxy, name, registry } = await site(t);
    const bad = async (...args: string[]) => {
      const { code, stderr } = await runCommand(proxy, 'export', ...args);
      assert.equal(code, 2, stderr);
      return stderr;
    };
    assert.match(await bad(), /nothing to export/);
    assert.match(await bad(name('app:1.0')), /say with --to/);
    assert.match(await bad('--to', '/tmp/x', 'quay.io/other/app:1'), /not listed/);
    assert.match(await bad('--to', '/tmp/x', '--sync', 'none'), /no \[\[sync\]\] is in force/);
    assert.match(
      await bad('--to', '/tmp/x', '--volume-size', 'big', name('app:1.0')),
      /--volume-size must be/,
    );
    assert.match(await bad('--to', '/tmp/x', '--sign', '/none', name('app:1.0')), /there is no such file/);
    const block = `[[sync]]\nname = "all"\nsource = "${registry.host}/team/app"\n`;
    await proxy.reload({ toml: `${block}[upstream]\noffline = true\n` });
    assert.match(
      await bad('--to', '/tmp/x', '--sync', 'al'),
      /no \[\[sync\]\] has the name "al": there are all/,
    );
  });
});
