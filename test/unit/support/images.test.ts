import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { readManifest } from '../../../src/oci/manifest.ts';
import { digestOf } from '../../support/byte-source.ts';
import { buildArtifact, buildImage, buildIndex, buildIndexOf } from '../../support/images.ts';
import { tempFolder } from '../../support/temp-folder.ts';

for (const format of ['oci', 'docker'] as const) {
  test(`an image of format ${format} is a manifest that names its config and layers`, () => {
    const image = buildImage({ format, layers: [{ 'a.txt': 'a' }, 5000] });
    const read = readManifest(image.bytes, image.mediaType);
    assert.ok(!('problem' in read), JSON.stringify(read));
    assert.deepEqual(
      read.children.map(({ digest, size }) => ({ digest, size })),
      [image.config, ...image.layers].map((blob) => ({ digest: blob?.digest, size: blob?.size })),
    );
    assert.equal(image.digest, digestOf(image.bytes));
    assert.equal(image.layers[1]?.size, 5000);
  });

  test(`an index of format ${format} names one image for each platform`, () => {
    const index = buildIndex({ format, platforms: ['linux/amd64', 'linux/arm/v7'] });
    const read = readManifest(index.bytes, index.mediaType);
    assert.ok(!('problem' in read), JSON.stringify(read));
    assert.deepEqual(
      read.children.map(({ platform, digest }) => [platform, digest]),
      [
        ['linux/amd64', index.images[0]?.digest],
        ['linux/arm/v7', index.images[1]?.digest],
      ],
    );
    assert.notEqual(index.images[0]?.digest, index.images[1]?.digest);
  });
}

test('the same options give the same image; a seed makes another one', () => {
  assert.equal(buildImage({ layers: [100] }).digest, buildImage({ layers: [100] }).digest);
  assert.notEqual(buildImage({ layers: [100] }).digest, buildImage({ layers: [100], seed: 2 }).digest);
});

test('an artifact points at its subject', () => {
  const image = buildImage();
  const artifact = buildArtifact(image, { artifactType: 'application/vnd.test.signature' });
  const read = readManifest(artifact.bytes, artifact.mediaType);
  assert.ok(!('problem' in read));
  assert.equal(read.subject, image.digest);
  assert.equal(read.artifactType, 'application/vnd.test.signature');
  const listed = readManifest(buildIndexOf([artifact]).bytes, buildIndexOf([artifact]).mediaType);
  assert.ok(!('problem' in listed));
  assert.equal(listed.children[0]?.digest, artifact.digest);
});

test('a layer of files is a tar that tar can read', (t) => {
  const image = buildImage({ layers: [{ 'etc/motd': 'welcome\n', empty: '' }] });
  const archive = join(tempFolder(t), 'layer.tar');
  writeFileSync(archive, gunzipSync(image.layers[0]?.bytes() ?? Buffer.alloc(0)));
  assert.equal(execFileSync('tar', ['-tf', archive]).toString(), 'etc/motd\nempty\n');
  assert.equal(execFileSync('tar', ['-xOf', archive, 'etc/motd']).toString(), 'welcome\n');
});

test('an index of indexes brings everything below it', () => {
  const inner = buildIndex({ seed: 'inner' });
  const outer = buildIndexOf([inner]);
  assert.deepEqual(
    outer.children.map((child) => child.digest),
    [inner.digest, ...inner.images.map((image) => image.digest)],
  );
  assert.equal(outer.blobs.length, inner.blobs.length);
});
