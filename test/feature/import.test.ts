/** `entrepot import`: archives become images that stay, with the digests that they had. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { parseReceipt } from '../../src/airgap/receipt.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { contentKey } from '../../src/stores/content-key.ts';
import { type AppFiles, type RunningApp, startApp } from '../support/app.ts';
import {
  bundleVolumes,
  contentsOf,
  dockerArchive,
  fullyNamed,
  layoutEntries,
  writeArchive,
} from '../support/archives.ts';
import { digestOf } from '../support/byte-source.ts';
import { createManualClock } from '../support/clock.ts';
import { runCommand } from '../support/commands.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildArtifact, buildImage, buildIndex, buildIndexOf, type Image } from '../support/images.ts';
import { createMemoryObjects } from '../support/memory-objects.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { storedFile } from '../support/stored-files.ts';
import { rawTar } from '../support/tar.ts';
import { tempFolder } from '../support/temp-folder.ts';

const offline: AppFiles = {
  registries: '[[registry]]\nlocation = "quay.io"\n',
  toml: '[upstream]\noffline = true\n',
};
const name = 'quay.io/team/app';

async function manifestOf(url: string, reference: string, image = name) {
  const answer = await get(`${url}/v2/${image}/manifests/${reference}`);
  return [answer.status, answer.headers['docker-content-digest']];
}

describe('a bundle of one volume', () => {
  it('is pulled by tag and by digest on a site without a network, also after a purge that does not name hosted content', async (t) => {
    const app = await startApp(t, offline);
    const image = buildIndex({ layers: [70_000] });
    const [volume] = bundleVolumes([{ name, tag: '1.0', image }]);
    const file = writeArchive(join(app.folder, 'site.0001.tar'), volume!);
    const { code, json } = await runCommand(
      app,
      'import',
      file,
      '--receipt',
      join(app.folder, 'r.json'),
      '--json',
    );
    assert.deepEqual([code, json.images[0].state], [0, 'done']);
    assert.deepEqual(await manifestOf(app.url, '1.0'), [200, image.digest]);
    for (const { digest, bytes, mediaType } of contentsOf(image)) {
      const kind = mediaType === undefined ? 'blobs' : 'manifests';
      const answer = await get(`${app.url}/v2/${name}/${kind}/${digest}`);
      assert.equal(answer.status, 200);
      assert.ok(answer.body.equals(bytes));
    }
    await runCommand(app, 'purge', `${name}:1.0`);
    assert.deepEqual(await manifestOf(app.url, '1.0'), [200, image.digest]);
    await runCommand(app, 'purge', '--hosted', `${name}:1.0`);
    assert.equal((await manifestOf(app.url, '1.0'))[0], 503);
    const receipt = parseReceipt(readFileSync(join(app.folder, 'r.json')), 'r.json');
    assert.deepEqual(
      receipt.digests,
      contentsOf(image)
        .map(({ digest }) => digest)
        .toSorted(),
    );
    assert.deepEqual(readdirSync(join(app.data, 'imports')), ['store-name'], 'nothing waits any more');
  });

  it('is never evicted, however much is pulled, and with --cached it is', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const registries = `${insecureRegistry(registry.host)}\n${offline.registries}`;
    const toml = '[cache]\nmax_size = "300KiB"\n';
    const kept = buildImage({ seed: 'kept', layers: [100_000] });
    for (const [flags, isKept] of [
      [[], true],
      [['--cached'], false],
    ] as const) {
      const app = await startApp(t, { registries, toml });
      const [volume] = bundleVolumes([{ name, tag: '1', image: kept }]);
      const { code } = await imported(app, ...flags, ...written(app.folder, [volume!]));
      assert.equal(code, 0);
      for (const seed of ['a', 'b', 'c', 'd']) {
        const pulled = buildImage({ seed, layers: [90_000] });
        registry.putImage('team/other', seed, pulled);
        const done = await runCommand(app, 'pull', `${registry.host}/team/other:${seed}`);
        assert.equal(done.code, 0, done.stderr);
      }
      const { status } = await get(`${app.url}/v2/${name}/blobs/${kept.layers[0]!.digest}`);
      assert.equal(status === 200, isKept);
    }
  });

  it('is imported without a running server, too', async (t) => {
    const app = await startApp(t, offline);
    const image = buildImage({ layers: [70_000] });
    const [volume] = bundleVolumes([{ name, tag: '1.0', image }]);
    const file = writeArchive(join(app.folder, 'site.0001.tar'), volume!);
    await app.stop();
    const { code, stdout } = await runCommand(app, 'import', file, '--receipt', join(app.folder, 'r.json'));
    assert.equal(code, 0);
    assert.match(stdout, /^quay\.io\/team\/app:1\.0 sha256:[a-f0-9]{64}: done$/m);
    const again = await startApp(t, { ...offline, folder: app.folder });
    assert.deepEqual(await manifestOf(again.url, '1.0'), [200, image.digest]);
  });
});

/** Imports and gives code and report. */
async function imported(app: Pick<RunningApp, 'folder' | 'data'>, ...args: readonly string[]) {
  const receipt = join(app.folder, 'receipt.json');
  return await runCommand(app, 'import', ...args, '--receipt', receipt, '--json');
}

/** Writes volumes and gives their paths. */
function written(folder: string, volumes: readonly Buffer[]): readonly string[] {
  return volumes.map((bytes, at) => writeArchive(join(folder, `site.000${at + 1}.tar`), bytes));
}

describe('a bundle in volumes', () => {
  const image = buildIndex({ layers: [90_000, 70_000] });
  const other = buildImage({ layers: [60_000], seed: 'other' });
  const cutLayer = image.blobs.find(({ size }) => size === 90_000)!.digest;
  const shape = {
    volumes: 3,
    volumeOf: (digest: string) => (other.layers.some((layer) => layer.digest === digest) ? 3 : 1),
    cut: (digest: string) => (digest === cutLayer ? [30_000, 50_000, 10_000] : undefined),
  };
  const volumes = bundleVolumes(
    [
      { name, tag: '1.0', image },
      { name: 'quay.io/team/other', tag: '2', image: other },
    ],
    shape,
  );

  it('is imported in any order, each volume as often as one likes, and a tag appears when nothing of it is lacking', async (t) => {
    const app = await startApp(t, offline);
    const [first, second, third] = written(app.folder, volumes);
    const one = await imported(app, third!);
    assert.deepEqual(
      [one.code, one.json.images.map(({ state }: { state: string }) => state)],
      [3, ['partial', 'partial']],
    );
    assert.equal((await manifestOf(app.url, '1.0'))[0], 503);
    const two = await imported(app, first!, first!);
    assert.equal(two.code, 3);
    const [lacking, done] = two.json.images;
    assert.deepEqual([lacking.state, lacking.volumes, done.state], ['partial', [2], 'done']);
    assert.deepEqual(await manifestOf(app.url, '2', 'quay.io/team/other'), [200, other.digest]);
    assert.equal((await manifestOf(app.url, '1.0'))[0], 503);
    assert.equal((await imported(app, second!)).code, 0);
    assert.deepEqual(await manifestOf(app.url, '1.0'), [200, image.digest]);
    assert.deepEqual((await get(`${app.url}/v2/${name}/blobs/${cutLayer}`)).body.length, 90_000);
    assert.equal((await imported(app, first!, second!, third!)).code, 0);
  });

  it('is verified without a data folder, and nothing is written', async (t) => {
    const folder = tempFolder(t);
    const files = written(folder, volumes);
    writeFileSync(join(folder, 'registries.conf'), '');
    writeFileSync(join(folder, 'entrepot.toml'), '');
    const site = { folder, data: join(folder, 'data') };
    const whole = await runCommand(site, 'import', '--verify', folder, '--json');
    assert.deepEqual([whole.code, whole.json.problems], [0, []]);
    const part = await runCommand(site, 'import', '--verify', files[0]!, files[2]!);
    assert.equal(part.code, 3);
    assert.match(
      part.stdout,
      /app:1\.0 sha256:[a-f0-9]+: lacks 1 content, in volume 2; would not be visible/,
    );
    const damaged = Buffer.from(volumes[2]!);
    damaged[damaged.length - 2000] = 1 ^ (damaged[damaged.length - 2000] ?? 0);
    writeFileSync(files[2]!, damaged);
    const wrong = await runCommand(site, 'import', '--verify', folder);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stdout, /wrong: .*site\.0003\.tar: blobs\/sha256\/[a-f0-9]+ is damaged/);
    assert.ok(!existsSync(site.data));
  });

  it('is taken with a key only if its sums are signed by it, and nothing of it otherwise', async (t) => {
    const app = await startApp(t, offline);
    const files = written(app.folder, volumes);
    const { key, sums, signed: signatureOf } = signSums(app.folder, volumes);
    const signed = join(app.folder, 'site.sha256sums.sig');
    rmSync(signed);
    const unsigned = await runCommand(app, 'import', '--key', key, ...files);
    assert.match(unsigned.stderr, /site\.sha256sums\.sig: is missing/);
    writeFileSync(signed, signatureOf('other'));
    const forged = await runCommand(app, 'import', '--key', key, ...files);
    assert.match(forged.stderr, /is no signature by the key of --key/);
    assert.equal((await manifestOf(app.url, '1.0'))[0], 503);
    writeFileSync(signed, signatureOf(sums));
    assert.equal((await imported(app, '--key', key, ...files)).code, 0);
    assert.deepEqual(await manifestOf(app.url, '1.0'), [200, image.digest]);
  });

  it('is taken with a key only as it was checked: a volume that changes meanwhile is refused', async (t) => {
    const app = await startApp(t, offline);
    const [first = '', second = ''] = written(app.folder, volumes.slice(0, 2));
    const { key } = signSums(app.folder, volumes);
    const [forged] = bundleVolumes([{ name, tag: '1.0', image: buildImage({ seed: 'forged' }) }]);
    rmSync(second);
    execFileSync('mkfifo', [second]);
    const running = imported(app, '--key', key, first, second);
    // The second volume is opened once the first one is checked.
    const pipe = await open(second, 'w');
    rmSync(second);
    writeFileSync(second, volumes[1]!);
    writeFileSync(first, forged!);
    await pipe.writeFile(volumes[1]!);
    await pipe.close();
    const { code, stderr } = await running;
    assert.equal(code, 1, stderr);
    assert.match(stderr, /site\.0001\.tar: is not as .*site\.sha256sums says: it is damaged or altered/);
    assert.equal((await manifestOf(app.url, '1.0'))[0], 503);
  });
});

/** Writes the sums of a bundle `site` and their signature. `key`: the file of the public key. */
function signSums(folder: string, volumes: readonly Buffer[]) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const key = join(folder, 'bundle.pub');
  writeFileSync(key, publicKey.export({ type: 'spki', format: 'pem' }));
  const sums = volumes
    .map((bytes, at) => `${createHash('sha256').update(bytes).digest('hex')}  site.000${at + 1}.tar\n`)
    .join('');
  writeFileSync(join(folder, 'site.sha256sums'), sums);
  const signed = (text: string) => sign(null, Buffer.from(text), privateKey);
  writeFileSync(join(folder, 'site.sha256sums.sig'), signed(sums));
  return { key, sums, signed };
}

describe('what an earlier volume of a bundle completed', () => {
  const first = buildImage({ seed: 'first', layers: [3000] });
  const second = buildImage({ seed: 'second', layers: [4000] });
  const isLate = (digest: string) => second.layers.some((layer) => layer.digest === digest);
  const volumes = bundleVolumes(
    [
      { name, tag: '1', image: first },
      { name, tag: 'same', image: first },
      { name, tag: '2', image: second },
    ],
    { volumes: 2, volumeOf: (digest) => (isLate(digest) ? 2 : 1) },
  );

  it('is left alone by other archives and later volumes, put again by its own volume, and is in each receipt', async (t) => {
    const app = await startApp(t, offline);
    const [one, two] = written(app.folder, volumes);
    assert.equal((await imported(app, one!)).code, 3);
    assert.deepEqual(await manifestOf(app.url, '1'), [200, first.digest]);
    const purge = () => runCommand(app, 'purge', '--hosted', `${name}:1`);
    await purge();
    assert.equal((await manifestOf(app.url, '1'))[0], 503);

    const unrelated = bundleVolumes([{ name: 'quay.io/other/app', tag: '1', image: buildImage() }]);
    const other = await imported(app, writeArchive(join(app.folder, 'other.0001.tar'), unrelated[0]!));
    assert.deepEqual(
      other.json.images.map(({ reference }: { reference: string }) => reference),
      ['quay.io/other/app:1'],
    );
    assert.equal((await manifestOf(app.url, '1'))[0], 503, 'it was removed');

    assert.equal((await imported(app, one!)).code, 3);
    assert.deepEqual(await manifestOf(app.url, '1'), [200, first.digest]);
    await purge();

    const { code, json } = await imported(app, two!);
    assert.deepEqual([code, json.images.length, json.images[0].reference], [0, 1, `${name}:2`]);
    assert.deepEqual(await manifestOf(app.url, '2'), [200, second.digest]);
    assert.deepEqual(await manifestOf(app.url, 'same'), [200, first.digest]);
    assert.equal((await manifestOf(app.url, '1'))[0], 503, 'it was removed');
    const receipt = parseReceipt(readFileSync(join(app.folder, 'receipt.json')), 'receipt.json');
    const all = [...contentsOf(first), ...contentsOf(second)].map(({ digest }) => digest);
    assert.deepEqual(receipt.digests, [...new Set(all)].toSorted());
  });
});

/** The first of two volumes: the layer of `image` is in the second one. */
function halfOf(folder: string, image: Image, to: string): string {
  const isLayer = (digest: string) => image.layers.some((layer) => layer.digest === digest);
  const volumeOf = (digest: string) => (isLayer(digest) ? 2 : 1);
  const [half] = bundleVolumes([{ name: to, tag: '1', image }], { volumes: 2, volumeOf });
  return writeArchive(join(folder, 'half.0001.tar'), half!);
}

describe('an image that was purged', () => {
  it('comes back with its archive, also while another bundle waits for a volume', async (t) => {
    const app = await startApp(t, offline);
    const half = halfOf(app.folder, buildImage({ seed: 'half' }), 'quay.io/team/half');
    assert.equal((await imported(app, half)).code, 3);
    const image = buildImage({ layers: [70_000] });
    const files = written(app.folder, bundleVolumes([{ name, tag: '1', image }]));
    assert.equal((await imported(app, ...files)).code, 0);
    await runCommand(app, 'purge', '--hosted', `${name}:1`);
    assert.equal((await manifestOf(app.url, '1'))[0], 503);
    const again = await imported(app, ...files);
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual(await manifestOf(app.url, '1'), [200, image.digest]);
    for (const { digest } of image.blobs)
      assert.equal((await get(`${app.url}/v2/${name}/blobs/${digest}`)).status, 200);
  });
});

describe('a later bundle', () => {
  it('relies on what an earlier import brought to any image, and closes holes', async (t) => {
    const app = await startApp(t, offline);
    const base = buildImage({ layers: [50_000], seed: 'base' });
    const [layer] = base.layers;
    const derived = buildImage({ layers: [layer!, 20_000], seed: 'derived' });
    const omitted = [{ digest: layer!.digest, why: 'base' as const }];
    const next = bundleVolumes([{ name, tag: '2', image: derived }], { omitted });
    const [increment] = written(app.folder, next);
    const hole = await imported(app, increment!);
    assert.deepEqual([hole.code, hole.json.images[0].examples], [3, [layer!.digest]]);
    const first = bundleVolumes([{ name: 'quay.io/team/base', tag: '1', image: base }]);
    const { code, json } = await imported(app, writeArchive(join(app.folder, 'base.0001.tar'), first[0]!));
    assert.equal(code, 0);
    assert.deepEqual(
      json.images.map(({ reference, state }: { reference: string; state: string }) => [reference, state]),
      [
        ['quay.io/team/base:1', 'done'],
        [`${name}:2`, 'done'],
      ],
    );
    assert.deepEqual(await manifestOf(app.url, '2'), [200, derived.digest]);
  });

  it('relies on manifests and blobs that made room and are in a bucket alone', async (t) => {
    const { store, objects } = createMemoryObjects('eu');
    const bucket = { store, match: [], uploadRate: undefined, redirect: undefined, sweep: undefined };
    const toml = `${offline.toml}[cache]\nmax_size = "300KiB"\n`;
    const app = await startApp(t, { ...offline, toml }, { buckets: [bucket], clock: systemClock });
    const take = (to: string, image: Image, shape: Parameters<typeof bundleVolumes>[1] = {}) => {
      const bytes = Readable.from(bundleVolumes([{ name: to, tag: '1', image }], shape), {
        objectMode: true,
      });
      return app.app.administration.importVolume({ file: 'site.0001.tar', bytes }, {});
    };
    const base = buildImage({ layers: [100_000], seed: 'base' });
    const of = contentsOf(base).map(({ digest }) => digest);
    await take('quay.io/team/base', base);
    await eventually('the bucket has it', () => of.every((digest) => objects.has(contentKey(digest))));
    let others = 0;
    await eventually('it made room', async () => {
      others += 1;
      // What is being uploaded makes no room.
      await take(`quay.io/team/other${others}`, buildImage({ layers: [90_000], seed: `${others}` })).catch(
        () => {},
      );
      return of.every((digest) => !existsSync(storedFile(app.data, digest)));
    });
    const fresh = buildImage({ layers: [1000], seed: 'fresh' });
    const children = [base, fresh];
    const index = { ...buildIndexOf(children), children, blobs: children.flatMap(({ blobs }) => blobs) };
    const omitted = of.map((digest) => ({ digest, why: 'base' as const }));
    const report = await eventually('there is room', () =>
      take(name, index, { omitted }).catch(() => false as const),
    );
    assert.deepEqual(
      report.images.map(({ state }) => state),
      ['done'],
    );
    assert.deepEqual(await manifestOf(app.url, '1'), [200, index.digest]);
    assert.deepEqual(await manifestOf(app.url, base.digest), [200, base.digest]);
    for (const { digest } of index.blobs)
      assert.equal((await get(`${app.url}/v2/${name}/blobs/${digest}`)).status, 200);
  });

  it('brings referrers, which clients find without a network', async (t) => {
    const app = await startApp(t, offline);
    const image = buildImage();
    const signature = buildArtifact(image);
    const volumes = bundleVolumes([
      { name, tag: '1', image },
      { name, tag: null, image: signature },
    ]);
    assert.equal((await imported(app, ...written(app.folder, volumes))).code, 0);
    const answer = await get(`${app.url}/v2/${name}/referrers/${image.digest}`);
    assert.deepEqual(
      JSON.parse(answer.body.toString()).manifests.map(({ digest }: { digest: string }) => digest),
      [signature.digest],
    );
    const alone = 'quay.io/team/untagged';
    const untagged = bundleVolumes([
      { name: alone, tag: null, image },
      { name: alone, tag: null, image: signature },
    ]);
    assert.equal((await imported(app, ...written(app.folder, untagged))).code, 0);
    const ofDigest = await get(`${app.url}/v2/${alone}/referrers/${image.digest}`);
    assert.equal(ofDigest.body.toString(), answer.body.toString(), 'of an image that has no tag, too');
    const none = await get(`${app.url}/v2/${name}/referrers/${signature.digest}`);
    assert.deepEqual([none.status, JSON.parse(none.body.toString()).manifests], [200, []]);
    const unknown = await get(`${app.url}/v2/${name}/referrers/${buildImage({ seed: 'unknown' }).digest}`);
    assert.equal(unknown.status, 503, 'of what did not come with an import, more may exist');
  });
});

describe('an imported tag', () => {
  it('stays what the bundle said where the registry can be asked, and other tags follow the registry', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const ours = buildImage({ seed: 'ours' });
    const theirs = buildImage({ seed: 'theirs' });
    for (const tag of ['1', '2']) registry.putImage('team/app', tag, theirs);
    const clock = createManualClock();
    const app = await startApp(t, { registries: insecureRegistry(registry.host) }, { clock });
    const to = `${registry.host}/team/app`;
    const [volume] = bundleVolumes([{ name: to, tag: '1', image: ours }]);
    assert.equal((await imported(app, ...written(app.folder, [volume!]))).code, 0);
    await clock.advance(24 * 3_600_000);
    assert.deepEqual(await manifestOf(app.url, '1', to), [200, ours.digest]);
    assert.deepEqual(await manifestOf(app.url, '2', to), [200, theirs.digest]);
    const tags = await get(`${app.url}/v2/${to}/tags/list`);
    assert.deepEqual(JSON.parse(tags.body.toString()).tags, ['1', '2']);
  });

  it('follows the registry with --cached', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const ours = buildImage({ seed: 'ours' });
    const theirs = buildImage({ seed: 'theirs' });
    registry.putImage('team/app', '1', theirs);
    const clock = createManualClock();
    const app = await startApp(t, { registries: insecureRegistry(registry.host) }, { clock });
    const to = `${registry.host}/team/app`;
    const [volume] = bundleVolumes([{ name: to, tag: '1', image: ours }]);
    assert.equal((await imported(app, '--cached', ...written(app.folder, [volume!]))).code, 0);
    assert.deepEqual(await manifestOf(app.url, '1', to), [200, ours.digest]);
    await clock.advance(24 * 3_600_000);
    assert.deepEqual(await manifestOf(app.url, '1', to), [200, theirs.digest]);
  });
});

describe('a quota', () => {
  const quota = (size: string) =>
    `${offline.toml}[[cache.quota]]\nmatch = "quay.io/team/**"\nmax_size = "${size}"\n`;

  it('that has no room for an image keeps it waiting, and it is here with the next import once there is room', async (t) => {
    const app = await startApp(t, { ...offline, toml: quota('100KiB') });
    const small = buildImage({ seed: 'small', layers: [10_000] });
    const large = buildImage({ seed: 'large', layers: [200_000] });
    const volumes = bundleVolumes([
      { name, tag: 'large', image: large },
      { name, tag: 'small', image: small },
    ]);
    const files = written(app.folder, volumes);
    const receipt = ['--receipt', join(app.folder, 'receipt.json')];
    const { code, stdout } = await runCommand(app, 'import', ...files, ...receipt);
    assert.equal(code, 3);
    assert.match(
      stdout,
      /app:large .*: the quota of quay\.io\/team\/\*\* has no room for it; not visible yet/,
    );
    assert.deepEqual(await manifestOf(app.url, 'large'), [503, undefined]);
    assert.deepEqual(await manifestOf(app.url, 'small'), [200, small.digest]);

    await app.reload({ toml: quota('1MiB') });
    const [other] = bundleVolumes([{ name: 'quay.io/other/app', tag: '1', image: small }]);
    assert.equal((await imported(app, ...written(app.folder, [other!]))).code, 0);
    assert.deepEqual(await manifestOf(app.url, 'large'), [200, large.digest]);
  });
});

describe('an import that waits', () => {
  it('is given up after 14 days: the bytes go with the next import, and each day without one', async (t) => {
    const clock = createManualClock();
    const app = await startApp(t, offline, { clock });
    const folder = join(app.data, 'imports');
    const takeHalf = async (seed: string) => {
      const image = buildImage({ seed, layers: [3000] });
      assert.equal((await imported(app, halfOf(app.folder, image, `quay.io/team/${seed}`))).code, 3);
      return image.digest.replace(':', '-');
    };
    const age = () => {
      const old = (clock.now() - 15 * 24 * 3_600_000) / 1000;
      for (const file of readdirSync(folder)) utimesSync(join(folder, file), old, old);
    };
    const one = await takeHalf('one');
    age();
    const two = await takeHalf('two');
    assert.deepEqual(
      [one, two].map((file) => readdirSync(folder).includes(file)),
      [false, true],
    );
    age();
    await clock.advance(24 * 3_600_000);
    await eventually('nothing is left', () => readdirSync(folder).join() === 'store-name');
  });

  it('for what turns out to be malformed is given up, and the archive that brought it comes in', async (t) => {
    const app = await startApp(t, offline);
    const odd = buildImage({ seed: 'odd' });
    const index = buildIndexOf([odd]);
    const first = { digest: odd.digest, bytes: Buffer.from('{"schemaVersion":2}') };
    const lacking = { ...index, ...changedChild(index, first.bytes) };
    const marked = { ...lacking, annotations: fullyNamed(`${name}:odd`) };
    const layout = writeArchive(join(app.folder, 'odd.tar'), rawTar(layoutEntries([marked], [lacking])));
    assert.equal((await imported(app, layout)).code, 3);
    const good = buildImage({ seed: 'good' });
    const wanted = { ...good, annotations: fullyNamed(`${name}:good`) };
    const contents = [...contentsOf(good), { digest: digestOf(first.bytes), bytes: first.bytes }];
    const archive = writeArchive(join(app.folder, 'good.tar'), rawTar(layoutEntries([wanted], contents)));
    const { code, stdout } = await imported(app, archive);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /"an earlier import is not whole: .*odd\.tar: sha256:[a-f0-9]{64} is no manifest/);
    assert.deepEqual(await manifestOf(app.url, 'good'), [200, good.digest]);
    assert.deepEqual(readdirSync(join(app.data, 'imports')), ['store-name']);
  });
});

describe('the command', () => {
  it('says what is wrong with its arguments, and that a receipt could not be written', async (t) => {
    const app = await startApp(t, offline);
    const image = buildImage();
    const [bundle] = written(app.folder, bundleVolumes([{ name, tag: '1', image }]));
    const empty = join(app.folder, 'empty');
    mkdirSync(empty);
    const text = join(app.folder, 'text.tar');
    writeFileSync(text, 'no archive');
    const refused = async (code: number, says: RegExp, ...args: readonly string[]) => {
      const done = await runCommand(app, 'import', ...args);
      assert.equal(done.code, code, done.stderr);
      assert.match(done.stderr, says);
      assert.doesNotMatch(done.stderr, /^ +at /m);
    };
    await refused(2, /empty: is neither an image layout nor a folder of volumes/, empty);
    await refused(2, /gone\.tar: there is no such file or folder/, join(app.folder, 'gone.tar'));
    await refused(1, /text\.tar: is no tar: it is shorter than a header/, text);
    await refused(2, /is a bundle, which names its images itself: leave out --name/, '--name', name, bundle!);
    const inFile = join(text, 'receipt.json');
    await refused(
      1,
      /receipt\.json: cannot be written: EEXIST\. The images are here/,
      '--receipt',
      inFile,
      bundle!,
    );
    assert.deepEqual(await manifestOf(app.url, '1'), [200, image.digest]);
  });
});

/** An index whose one child is another content, with the same type. */
function changedChild(index: ReturnType<typeof buildIndexOf>, child: Buffer) {
  const said = JSON.parse(index.bytes.toString('utf8'));
  said.manifests[0] = { ...said.manifests[0], digest: digestOf(child), size: child.length };
  const bytes = Buffer.from(JSON.stringify(said));
  return { bytes, digest: digestOf(bytes) };
}

describe('archives of other tools', () => {
  const image = buildIndex({ layers: [70_000] });

  it('whose layout has a tag alone need --name, as a tar, a packed tar and a folder', async (t) => {
    const app = await startApp(t, offline);
    const named = { ...image, annotations: { 'org.opencontainers.image.ref.name': '1.0' } };
    const entries = layoutEntries([named], contentsOf(image));
    const file = writeArchive(join(app.folder, 'app.tar.gz'), gzipSync(rawTar(entries)));
    const nameless = await runCommand(app, 'import', file);
    assert.equal(nameless.code, 2);
    assert.match(nameless.stderr, /names an image by the tag 1\.0 alone: say its repository with --name/);
    assert.equal((await imported(app, '--name', name, file)).code, 0);
    assert.deepEqual(await manifestOf(app.url, '1.0'), [200, image.digest]);
    const folder = join(app.folder, 'layout');
    for (const { path, body } of entries) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), body ?? '');
    }
    assert.equal((await imported(app, '--name', `${name}:2.0`, folder)).code, 0);
    assert.deepEqual(await manifestOf(app.url, '2.0'), [200, image.digest]);
  });

  it('that lack a platform keep the digest of the index, and the report names the platform', async (t) => {
    const app = await startApp(t, offline);
    const [amd64] = image.images;
    const named = { ...image, annotations: fullyNamed(`${name}:1.0`) };
    const contents = [image, ...contentsOf(amd64!)];
    const file = writeArchive(join(app.folder, 'docker.tar'), rawTar(layoutEntries([named], contents)));
    const { code, json } = await imported(app, file);
    assert.deepEqual([code, json.notes], [0, [`${name}:1.0: the archive has not linux/arm64`]]);
    assert.deepEqual(await manifestOf(app.url, '1.0'), [200, image.digest]);
  });

  it('of old docker get a manifest over the layers as they are, the same one each time', async (t) => {
    const app = await startApp(t, offline);
    const { entries, layer } = dockerArchive([`${name}:1`]);
    const file = writeArchive(join(app.folder, 'old.tar'), rawTar(entries));
    const { code, json } = await imported(app, file);
    assert.equal(code, 0);
    assert.match(json.notes[0], /they are made anew, and their digests are other ones/);
    const again = await imported(app, file);
    assert.equal(again.json.images[0].digest, json.images[0].digest);
    const answer = await get(`${app.url}/v2/${name}/manifests/1`);
    const [descriptor] = JSON.parse(answer.body.toString()).layers;
    assert.equal(descriptor.mediaType, 'application/vnd.oci.image.layer.v1.tar');
    const blob = await get(`${app.url}/v2/${name}/blobs/${descriptor.digest}`);
    assert.ok(blob.body.equals(layer));
  });

  it('of old docker keep their tags under the repository of --name, and give them up for its tag', async (t) => {
    const app = await startApp(t, offline);
    const { entries } = dockerArchive(['localhost/app:1', 'localhost/app:latest']);
    const file = writeArchive(join(app.folder, 'old.tar'), rawTar(entries));
    const renamed = await imported(app, '--name', name, file);
    const references = renamed.json.images.map(({ reference }: { reference: string }) => reference);
    assert.deepEqual([renamed.code, references], [0, [`${name}:1`, `${name}:latest`]]);
    const tagged = await imported(app, '--name', `${name}:2`, file);
    assert.deepEqual([tagged.code, tagged.json.images.length], [0, 1]);
    const { digest } = tagged.json.images[0];
    for (const tag of ['1', 'latest', '2']) assert.deepEqual(await manifestOf(app.url, tag), [200, digest]);
  });

  it('of docker from version 25 on, which are a layout beside a manifest.json, keep the digest and all tags', async (t) => {
    const app = await startApp(t, offline);
    const one = buildImage({ layers: [40_000, 2000] });
    const tags = ['1', 'latest'];
    const named = tags.map((tag) => ({
      ...one,
      annotations: { ...fullyNamed(`${name}:${tag}`), 'org.opencontainers.image.ref.name': tag },
    }));
    const [config, ...layers] = one.blobs.map(({ digest }) => `blobs/${digest.replace(':', '/')}`);
    const docker = [
      { Config: config, RepoTags: tags.map((tag) => `${name}:${tag}`), Layers: layers, LayerSources: {} },
    ];
    const entries = [
      { path: 'blobs/', type: '5' },
      { path: 'blobs/sha256/', type: '5' },
      ...layoutEntries(named, contentsOf(one)),
      { path: 'manifest.json', body: JSON.stringify(docker) },
      { path: 'repositories', body: JSON.stringify({ [name]: { latest: 'x' } }) },
    ];
    const { code, json } = await imported(app, writeArchive(join(app.folder, 'saved.tar'), rawTar(entries)));
    assert.deepEqual([code, json.archives[0].format, json.notes], [0, 'oci-layout', []]);
    for (const tag of tags) assert.deepEqual(await manifestOf(app.url, tag), [200, one.digest]);
  });

  it('of oc-mirror need the name of their registry', async (t) => {
    const app = await startApp(t, offline);
    const root = 'docker/registry/v2';
    const blobs = contentsOf(image).map(({ digest, bytes }) => {
      const hex = digest.slice(7);
      return { path: `${root}/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`, body: bytes };
    });
    const manifests = `${root}/repositories/team/app/_manifests`;
    const entries = [
      { path: 'working-dir/.history/.history-2026', body: 'x' },
      { path: `${manifests}/tags/1.0/current/link`, body: image.digest },
      { path: `${manifests}/revisions/sha256/${image.digest.slice(7)}/link`, body: image.digest },
      { path: `${root}/repositories/team/app/_layers/sha256/${'a'.repeat(64)}/link`, body: 'sha256:...' },
      ...blobs,
    ];
    const file = writeArchive(join(app.folder, 'mirror_000001.tar'), rawTar(entries));
    assert.match(
      (await runCommand(app, 'import', file)).stderr,
      /give it with --name, such as --name registry/,
    );
    const { code, json } = await imported(app, '--name', 'quay.io', file);
    assert.deepEqual([code, json.images.length], [0, 1]);
    assert.match(json.notes[0], /working-dir\/ is the state of oc-mirror itself/);
    assert.deepEqual(await manifestOf(app.url, '1.0'), [200, image.digest]);
  });

  it('of a registry that is not listed are taken with a warning', async (t) => {
    const app = await startApp(t, offline);
    const [volume] = bundleVolumes([{ name: 'images.local/app', tag: '1', image }]);
    const { code, stderr } = await runCommand(
      app,
      'import',
      ...written(app.folder, [volume!]),
      '--receipt',
      join(app.folder, 'r'),
    );
    assert.equal(code, 0);
    assert.match(stderr, /warning: images\.local is not listed in registries\.conf/);
  });

  it('of a registry that is kept here by [[push]] need no registry elsewhere', async (t) => {
    const toml = `${offline.toml}\n[[push]]\nmatch = "images.local/**"\nmode = "local"\n`;
    const app = await startApp(t, { ...offline, toml });
    const [volume] = bundleVolumes([{ name: 'images.local/app', tag: '1', image }]);
    const receipt = join(app.folder, 'r');
    const { code, stderr } = await runCommand(
      app,
      'import',
      written(app.folder, [volume!])[0]!,
      '--receipt',
      receipt,
    );
    assert.deepEqual([code, stderr.includes('warning')], [0, false], stderr);
    assert.equal((await get(`${app.url}/v2/images.local/app/manifests/1`)).status, 200);
  });
});
