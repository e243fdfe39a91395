import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Manifest, readManifest } from '../../../src/oci/manifest.ts';
import { mediaTypes } from '../../../src/oci/media-types.ts';

function digest(letter: string): string {
  return `sha256:${letter.repeat(64)}`;
}

function descriptor(letter: string, extra: object = {}): object {
  return { mediaType: `application/x-${letter}`, digest: digest(letter), size: 7, ...extra };
}

const image = { schemaVersion: 2, config: descriptor('a'), layers: [descriptor('b'), descriptor('c')] };
const index = {
  schemaVersion: 2,
  manifests: [
    descriptor('d', { platform: { os: 'linux', architecture: 'amd64' } }),
    descriptor('e', { platform: { os: 'linux', architecture: 'arm', variant: 'v7' } }),
    descriptor('f', { platform: { os: 'linux' } }),
  ],
};

function read(json: unknown, type: string): ReturnType<typeof readManifest> {
  return readManifest(Buffer.from(typeof json === 'string' ? json : JSON.stringify(json)), type);
}

function manifest(json: unknown, type: string): Manifest {
  const result = read(json, type);
  assert.ok(!('problem' in result), JSON.stringify(result));
  return result;
}

function problem(json: unknown, type: string): string {
  const result = read(json, type);
  assert.ok('problem' in result, 'it was read');
  return result.problem;
}

describe('readManifest', () => {
  for (const type of [mediaTypes.ociManifest, mediaTypes.dockerManifest]) {
    it(`lists config and layers of ${type}`, () => {
      const { mediaType, children, subject } = manifest(image, type);
      assert.equal(mediaType, type);
      assert.deepEqual(
        children.map((child) => child.digest),
        [digest('a'), digest('b'), digest('c')],
      );
      assert.equal(subject, undefined);
    });
  }

  for (const type of [mediaTypes.ociIndex, mediaTypes.dockerList]) {
    it(`lists the manifests of ${type} with their platforms`, () => {
      const platforms = manifest(index, type).children.map((child) => child.platform);
      assert.deepEqual(platforms, ['linux/amd64', 'linux/arm/v7', undefined]);
    });
  }

  it('passes schema 1 through without looking inside', () => {
    const { children } = manifest('not even JSON', mediaTypes.dockerSchema1Signed);
    assert.deepEqual(children, []);
  });

  it('takes the type from the manifest where the registry sent none that is usable', () => {
    for (const sent of ['application/json', 'text/plain', 'application/octet-stream', '']) {
      const { mediaType } = manifest({ ...image, mediaType: mediaTypes.ociManifest }, sent);
      assert.equal(mediaType, mediaTypes.ociManifest);
    }
  });

  it('tells what an artifact is attached to and what kind it is', () => {
    const attached = { ...image, subject: descriptor('9'), annotations: { created: 'today', bad: 1 } };
    const read = manifest({ ...attached, artifactType: 'application/x-sbom' }, mediaTypes.ociManifest);
    assert.equal(read.subject, digest('9'));
    assert.equal(read.artifactType, 'application/x-sbom');
    assert.deepEqual(read.annotations, { created: 'today' });
    assert.equal(manifest(attached, mediaTypes.ociManifest).artifactType, 'application/x-a');
  });

  it('takes an index and an image without any content', () => {
    assert.deepEqual(manifest({ manifests: [] }, mediaTypes.ociIndex).children, []);
    assert.equal(manifest({ ...image, layers: [] }, mediaTypes.ociManifest).children.length, 1);
  });

  it('takes null for an empty list and "" for no type, as programs in Go write them', () => {
    assert.deepEqual(manifest({ manifests: null, mediaType: '' }, mediaTypes.ociIndex).children, []);
    for (const type of [mediaTypes.ociManifest, mediaTypes.dockerManifest]) {
      const { mediaType, children } = manifest({ ...image, layers: null, mediaType: '' }, type);
      assert.deepEqual([mediaType, children.length], [type, 1]);
    }
  });

  const refused: readonly (readonly [what: string, json: unknown, type: string, problem: RegExp])[] = [
    ['a page of HTML', '<html></html>', 'text/html', /is no JSON \(content type "text\/html"\)/],
    ['a page of HTML with the right type', '<html></html>', mediaTypes.ociManifest, /is no JSON/],
    ['a list', [], mediaTypes.ociManifest, /is no JSON object/],
    ['null', null, mediaTypes.ociManifest, /is no JSON object/],
    ['an error body', { errors: [] }, 'application/json', /of no manifest type/],
    ['an error body with the right type', { errors: [] }, mediaTypes.ociManifest, /lacks the fields/],
    ['an index that lists something else', { manifests: {} }, mediaTypes.ociIndex, /lacks the fields/],
    ['an image without a config', { layers: null }, mediaTypes.ociManifest, /lacks the fields/],
    ['an image sent as an index', image, mediaTypes.ociIndex, /lacks the fields/],
    ['an index sent as an image', index, mediaTypes.ociManifest, /lacks the fields/],
    ['two types', { ...image, mediaType: mediaTypes.ociIndex }, mediaTypes.ociManifest, /says it is/],
    ['a layer without a digest', { ...image, layers: [{ size: 1 }] }, mediaTypes.ociManifest, /descriptor/],
    ['a layer that is null', { ...image, layers: [null] }, mediaTypes.ociManifest, /descriptor/],
    [
      'a negative size',
      { ...image, layers: [descriptor('b', { size: -1 })] },
      mediaTypes.ociManifest,
      /size/,
    ],
    ['half a byte', { ...image, layers: [descriptor('b', { size: 0.5 })] }, mediaTypes.ociManifest, /size/],
    [
      'a size beyond counting',
      { ...image, layers: [descriptor('b', { size: 2 ** 60 })] },
      mediaTypes.ociManifest,
      /size/,
    ],
    [
      'a digest with a path',
      { ...image, config: descriptor('a', { digest: '../x' }) },
      mediaTypes.ociManifest,
      /digest/,
    ],
  ];
  for (const [what, json, type, reason] of refused) {
    it(`refuses ${what}`, () => assert.match(problem(json, type), reason));
  }

  it('refuses bytes that are not UTF-8', () => {
    const bytes = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    assert.match(JSON.stringify(readManifest(bytes, mediaTypes.ociManifest)), /is no JSON \(/);
  });

  it('never throws, whatever the bytes', () => {
    const types = fc.constantFrom(...Object.values(mediaTypes), 'text/html', '');
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .object({ key: fc.constantFrom('config', 'layers', 'manifests', 'digest', 'subject') })
        .map((o) => Buffer.from(JSON.stringify(o) ?? '')),
    );
    fc.assert(fc.property(bytes, types, (content, type) => void readManifest(content, type)));
  });
});
