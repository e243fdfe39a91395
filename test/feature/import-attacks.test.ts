/** Archives that were made to harm: each is an error that names the archive and the entry, and nothing of it is visible. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { bundleId, parseBundleManifest, printBundleManifest } from '../../src/airgap/bundle-manifest.ts';
import { EntrepotError } from '../../src/errors.ts';
import { type RunningApp, startApp } from '../support/app.ts';
import { bundleVolumes, contentsOf, dockerArchive, fullyNamed, layoutEntries } from '../support/archives.ts';
import { digestOf } from '../support/byte-source.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage, buildIndexOf, type Image } from '../support/images.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { paxHeader, type RawEntry, rawEntry, rawTar } from '../support/tar.ts';

const name = 'quay.io/team/app';
const image = buildImage({ layers: [70_000] });
const [good] = bundleVolumes([{ name, tag: '1', image }]);
const marked = { ...image, annotations: fullyNamed(`${name}:1`) };
const layout = layoutEntries([marked], contentsOf(image));
/** The bundle without its end mark, for entries behind it. */
const open = good!.subarray(0, good!.length - 1024);

function withEntry(...extra: readonly (RawEntry | Buffer)[]): Buffer {
  return Buffer.concat([open, rawTar(extra)]);
}

function layoutOf(top: Image, contents: Parameters<typeof layoutEntries>[1], at = `${name}:1`): Buffer {
  return rawTar(layoutEntries([{ ...top, annotations: fullyNamed(at) }], contents));
}

const pax = (records: Record<string, string>, type?: string) => [
  paxHeader(records, type),
  { path: 'blobs/x', body: 'x' },
];

/** What is in the archive, the archive, and what the error says. */
const attacks: readonly (readonly [string, Uint8Array | (() => AsyncIterable<Uint8Array>), RegExp])[] = [
  [
    'a path with ..',
    withEntry({ path: '../../etc/passwd', body: 'x' }),
    /"\.\.\/\.\.\/etc\/passwd" is no path/,
  ],
  ['a path with .. in the middle', withEntry({ path: 'blobs/../../x', body: 'x' }), /is no path within/],
  ['an absolute path', withEntry({ path: '/etc/passwd', body: 'x' }), /"\/etc\/passwd" is an absolute path/],
  ['a path with a backslash', withEntry({ path: 'blobs\\..\\x', body: 'x' }), /is no path within/],
  [
    'a symbolic link',
    withEntry({ path: 'blobs/x', type: '2', target: '/etc/passwd' }),
    /blobs\/x is no file/,
  ],
  [
    'a hard link',
    withEntry({ path: 'blobs/x', type: '1', target: 'index.json' }),
    /"blobs\/x" is a hard link/,
  ],
  ['a device', withEntry({ path: 'blobs/x', type: '3' }), /"blobs\/x" is a device/],
  ['a named pipe', withEntry({ path: 'blobs/x', type: '6' }), /"blobs\/x" is a named pipe/],
  ['a sparse file of GNU tar', withEntry({ path: 'blobs/x', type: 'S' }), /"blobs\/x" is a sparse file/],
  ['a sparse file by pax', withEntry(...pax({ 'GNU.sparse.major': '1' })), /holds a sparse file/],
  [
    'an entry of an unknown kind',
    withEntry({ path: 'blobs/x', type: 'Z' }),
    /"blobs\/x" is of the unknown kind/,
  ],
  ['a folder with a body', withEntry({ path: 'blobs/x', type: '5', body: 'x' }), /has a body/],
  ['an entry twice', withEntry(layout.at(-1)!), /is in the archive twice/],
  [
    'an entry that the bundle does not announce',
    withEntry({ path: 'extra', body: 'x' }),
    /"extra" is no entry/,
  ],
  [
    'a content that the bundle does not announce',
    withEntry({ path: `blobs/sha256/${'a'.repeat(64)}`, body: 'x' }),
    /the bundle does not say so/,
  ],
  ['a pax header that moves an entry out', withEntry(...pax({ path: '../x' })), /"\.\.\/x" is no path/],
  ['a pax header with a size below 0', withEntry(...pax({ size: '-1' })), /has a size that is none/],
  ['a pax header with a size without end', withEntry(...pax({ size: '9'.repeat(15) })), /blobs\/x/],
  [
    'a global pax header that renames all',
    withEntry(...pax({ path: 'index.json' }, 'g')),
    /a global header names a path/,
  ],
  [
    'a pax header that says a thing twice',
    withEntry(rawEntry({ path: 'p', type: 'x', body: '9 path=a\n9 path=b\n' })),
    /malformed/,
  ],
  [
    'a pax header with lengths that lie',
    withEntry(rawEntry({ path: 'p', type: 'x', body: '99999 path=a\n' })),
    /malformed/,
  ],
  [
    'a pax header of a gigabyte',
    withEntry(rawEntry({ path: 'p', type: 'x', size: 2 ** 30 })),
    /an extended header has 1073741824 bytes/,
  ],
  [
    'a long name of a gigabyte',
    withEntry(rawEntry({ path: 'p', type: 'L', size: 2 ** 30 })),
    /an extended header has/,
  ],
  ['a name that is no UTF-8', withEntry(rawNamed(Buffer.from([0xff, 0xfe, 0x41]))), /no UTF-8/],
  [
    'a size of a base-256 number below 0',
    withEntry(sized(Buffer.from('ff'.repeat(12), 'hex'))),
    /has a size that is none/,
  ],
  [
    'a size that is larger than the body',
    good!.subarray(0, good!.length - 40_000),
    /the archive ends within/,
  ],
  ['no end mark', open, /the archive ends without an end mark/],
  ['bytes behind the end mark', Buffer.concat([good!, Buffer.from('x')]), /goes on behind its end mark/],
  ['no tar', Buffer.alloc(2048, 'x'), /the sum of a header does not fit/],
  ['nothing', Buffer.alloc(0), /it is shorter than a header/],
  ['only zeros', Buffer.alloc(10_240), /is no archive of images/],
  [
    'a bundle whose manifest is not first',
    rawTar([...layout, { path: 'entrepot-bundle.json', body: '{}' }]),
    /entrepot-bundle.json is not the first entry/,
  ],
  [
    'a bundle manifest of a gigabyte',
    rawTar([rawEntry({ path: 'entrepot-bundle.json', size: 2 ** 30 })]),
    /entrepot-bundle.json has 1073741824 bytes/,
  ],
  [
    'an index.json of a gigabyte',
    rawTar([rawEntry({ path: 'index.json', size: 2 ** 30 })]),
    /index.json has 1073741824 bytes/,
  ],
  ['an index.json that is no JSON', rawTar([{ path: 'index.json', body: '{' }]), /index.json is no JSON/],
  [
    'an index.json that is nested without end',
    rawTar([{ path: 'index.json', body: '['.repeat(100_000) }]),
    /nested more than/,
  ],
  ['a bundle that says another size', lying((size) => size + 1), /bytes, and the bundle says/],
  ['a bundle that says a smaller size', lying((size) => size - 1), /bytes, and the bundle says/],
  ['a bundle without a content that it announces', missingEntry(), /which the bundle says is in this volume/],
  ['a layer with another digest', damaged(), /is damaged: its bytes have the digest sha256:/],
  ['a layer with another size than its manifest says', oddSize(), /has 70000 bytes, and its manifest says 5/],
  ['a manifest that lists both images and layers', ambiguous(), /lists both images and layers/],
  [
    'a manifest that is none',
    layoutOf({ ...image, ...placed('{"a":1}') }, [placed('{"a":1}')]),
    /is no manifest/,
  ],
  ['indexes in indexes without end', nested(20), /lies in more than 8 indexes/],
  [
    'a name that is no reference',
    layoutOf(image, contentsOf(image), 'quay.io/../x:1'),
    /names the image "quay.io\/\.\.\/x:1"/,
  ],
  ['a tag that is no tag', layoutOf(image, contentsOf(image), `${name}:..`), /has an invalid tag/],
  [
    'a part of a blob without a bundle',
    rawTar([{ path: `blobs/sha256/${'a'.repeat(64)}.part-0001`, body: 'x' }]),
    /is a part of a blob/,
  ],
  ['a gzip file that grows without end', () => bomb(), /grows more than 100-fold/],
  ['a gzip file that is cut off', gzipSync(good!).subarray(0, 5000), /cannot be unpacked/],
  ['a tar in bzip2', Buffer.concat([Buffer.from('BZh9'), Buffer.alloc(1000)]), /is packed with bzip2/],
  ['ten million entries', () => manyEntries(), /has more than 500000 entries/],
  ['a layer of a docker-archive that is another one', falseLayer(), /is damaged: its bytes have the digest/],
  [
    'a docker-archive that links out',
    rawTar([{ path: `${'a'.repeat(64)}/layer.tar`, type: '2', target: '../../etc/passwd' }]),
    /is a symbolic link/,
  ],
  [
    'a docker-archive that names a file that is not there',
    rawTar([{ path: 'manifest.json', body: JSON.stringify([{ Config: '/etc/passwd', Layers: [] }]) }]),
    /names "\/etc\/passwd", which is not in the archive/,
  ],
];

describe('an import refuses', () => {
  let app: RunningApp;
  const releases: (() => unknown)[] = [];
  before(async () => {
    const files = {
      registries: '[[registry]]\nlocation = "quay.io"\n',
      toml: '[upstream]\noffline = true\n',
    };
    app = await startApp({ after: (work) => releases.push(work) }, files);
  });
  after(async () => {
    for (const release of releases.toReversed()) await release();
  });

  for (const [what, archive, says] of attacks) {
    it(what, async () => {
      const bytes =
        typeof archive === 'function' ? archive() : Readable.from([archive], { objectMode: true });
      await assert.rejects(app.app.administration.importVolume({ file: 'evil.tar', bytes }, {}), (error) => {
        assert.ok(error instanceof EntrepotError, String(error));
        assert.equal(error.code, 'BUNDLE_INVALID');
        assert.match(error.located, /^evil\.tar/);
        assert.match(error.message, says);
        return true;
      });
      assert.equal((await get(`${app.url}/v2/${name}/manifests/1`)).status, 503);
      assert.equal((await get(`${app.url}/v2/${name}/manifests/${image.digest}`)).status, 503);
      const waiting = readdirSync(join(app.data, 'imports')).filter((one) => one.startsWith('wanted-'));
      assert.deepEqual(waiting, []);
    });
  }
});

describe('an import opens nothing that it did not bring', () => {
  it('a manifest that lists the digest of a private layer is a hole, and the layer stays invisible', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const secret = buildImage({ layers: [50_000], seed: 'secret' });
    registry.putImage('private/app', '1', secret);
    const registries = `${insecureRegistry(registry.host)}\n[[registry]]\nlocation = "quay.io"\n`;
    const { app, url } = await startApp(t, { registries });
    const from = `${url}/v2/${registry.host}/private/app`;
    assert.equal((await get(`${from}/manifests/1`)).status, 200);
    for (const { digest } of secret.blobs) assert.equal((await get(`${from}/blobs/${digest}`)).status, 200);
    const bytes = Readable.from([layoutOf(secret, [secret])], { objectMode: true });
    const report = await app.administration.importVolume({ file: 'evil.tar', bytes }, {});
    assert.deepEqual(
      report.images.map(({ state, lacking }) => ({ state, lacking })),
      [{ state: 'partial', lacking: 2 }],
    );
    const [layer] = secret.layers;
    const omitted = contentsOf(secret).map(({ digest }) => ({ digest, why: 'base' as const }));
    const [claims] = bundleVolumes([{ name, tag: '2', image: secret }], { omitted });
    const based = await app.administration.importVolume(
      { file: 'evil.0001.tar', bytes: Readable.from([claims!], { objectMode: true }) },
      {},
    );
    assert.equal(based.images[0]!.state, 'partial');
    assert.notEqual((await get(`${url}/v2/${name}/blobs/${layer!.digest}`)).status, 200);
    assert.notEqual((await get(`${url}/v2/${name}/manifests/2`)).status, 200);
  });
});

function placed(text: string) {
  const bytes = Buffer.from(text);
  return { bytes, digest: digestOf(bytes), mediaType: image.mediaType };
}

function rawNamed(path: Buffer): Buffer {
  return resummed(rawEntry({ path: 'aaa' }), (header) => path.copy(header, 0));
}

function sized(field: Buffer): Buffer {
  return resummed(rawEntry({ path: 'blobs/x' }), (header) => field.copy(header, 124));
}

function resummed(entry: Buffer, change: (header: Buffer) => void): Buffer {
  change(entry);
  entry.write('        ', 148);
  const sum = entry.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  entry.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return entry;
}

/** The bundle as it would be announced with a layer of another size. */
function lying(change: (size: number) => number): Buffer {
  const said = parseBundleManifest(good!.subarray(512, 512 + sizeOfFirst(good!)), 'good');
  const blobs = said.blobs.map((blob) => {
    const size = change(blob.size);
    return blob.digest === image.layers[0]!.digest ? { ...blob, size, parts: [{ volume: 1, size }] } : blob;
  });
  const contents = { ...said, blobs };
  const body = printBundleManifest(contents, bundleId(contents), 1);
  return Buffer.concat([rawEntry({ path: 'entrepot-bundle.json', body }), good!.subarray(firstEntry(good!))]);
}

function sizeOfFirst(tar: Buffer): number {
  return Number.parseInt(tar.subarray(124, 135).toString('latin1'), 8);
}

function firstEntry(tar: Buffer): number {
  return 512 + Math.ceil(sizeOfFirst(tar) / 512) * 512;
}

function missingEntry(): Buffer {
  return rawTar([good!.subarray(0, firstEntry(good!))]);
}

function damaged(): Buffer {
  const changed = Buffer.from(good!);
  const at = changed.length - 1024 - 2048;
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}

function oddSize(): Buffer {
  const manifest = JSON.parse(image.bytes.toString('utf8')) as { layers: { size: number }[] };
  manifest.layers[0]!.size = 5;
  const top = { ...image, ...placed(JSON.stringify(manifest)) };
  return layoutOf(top, [top, ...contentsOf(image)]);
}

function ambiguous(): Buffer {
  const top = {
    ...image,
    ...placed(JSON.stringify({ ...JSON.parse(image.bytes.toString('utf8')), manifests: [] })),
  };
  return layoutOf(top, [top, ...contentsOf(image)]);
}

function nested(depth: number): Buffer {
  const all: Image[] = [image];
  for (let at = 0; at < depth; at += 1) all.push(buildIndexOf([all.at(-1)!]));
  return layoutOf(all.at(-1)!, [...all, ...contentsOf(image)]);
}

function falseLayer(): Buffer {
  const { entries } = dockerArchive(['quay.io/team/app:1']);
  return rawTar(
    entries.map((one) =>
      one.path.endsWith('.tar') ? { ...one, body: rawTar([{ path: 'evil', body: 'x' }]) } : one,
    ),
  );
}

/** 512 MiB of zeros in half a megabyte, behind the header of an entry that is as large. */
async function* bomb(): AsyncGenerator<Uint8Array> {
  const header = resummed(rawEntry({ path: 'manifest.tar' }), (block) =>
    block.write(`${(4 * 2 ** 30).toString(8).padStart(11, '0')}\0`, 124),
  );
  yield gzipSync(header);
  const zeros = gzipSync(Buffer.alloc(64 * 2 ** 20));
  for (let at = 0; at < 8; at += 1) yield zeros;
}

async function* manyEntries(): AsyncGenerator<Uint8Array> {
  const folder = rawEntry({ path: 'a/', type: '5' });
  const many = Buffer.concat(Array.from({ length: 1000 }, () => folder));
  for (let at = 0; at < 10_000; at += 1) yield many;
}
