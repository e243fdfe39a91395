/** The images and contents of the model of pushes, and what the registry behind has of them. */
import { createHash } from 'node:crypto';
import type { PushRule } from '../../../src/config/config.ts';
import { type Digest, parseDigest } from '../../../src/oci/digest.ts';
import { mediaTypes } from '../../../src/oci/media-types.ts';
import { seededBytes } from '../../support/transfer-bench.ts';
import type { Origin } from './push-world.ts';

export const images = ['local.test/a', 'local.test/b', 'up.test/over', 'up.test/fill'];

const rule = (match: string, mode: PushRule['mode']): PushRule => ({
  match,
  mode,
  delete: true,
  immutable: [],
});
const locals = rule('local.test/**', 'local');

/** What is pushed stays what it was, whichever of these is in force later. */
export const ruleSets: readonly (readonly PushRule[])[] = [
  [locals, rule('up.test/over', 'overlay'), rule('up.test/fill', 'fill')],
  [locals, rule('up.test/over', 'local'), rule('up.test/fill', 'overlay')],
  [locals, rule('up.test/over', 'fill')],
];

export const blobs = [0, 1, 700, 1300, 2100, 2500].map((size, n) => seededBytes(size, n + 1));

export function digestOf(bytes: Uint8Array): Digest {
  return parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`)!;
}

const described = (bytes: Uint8Array, mediaType: string) => ({
  ...{ mediaType, size: bytes.length },
  digest: digestOf(bytes),
});
const layer = (n: number) => described(blobs[n]!, 'application/vnd.oci.image.layer.v1.tar');

function image(config: number, layers: readonly number[], more: object = {}): Buffer {
  return Buffer.from(
    JSON.stringify({
      ...{ schemaVersion: 2, mediaType: mediaTypes.ociManifest },
      config: described(blobs[config]!, 'application/vnd.oci.image.config.v1+json'),
      layers: layers.map(layer),
      ...more,
    }),
  );
}

const first = image(0, [2]);
const second = image(1, [3, 4]);
const attached = image(0, [5], { subject: described(first, mediaTypes.ociManifest) });
const index = Buffer.from(
  JSON.stringify({
    ...{ schemaVersion: 2, mediaType: mediaTypes.ociIndex },
    manifests: [first, second].map((one) => described(one, mediaTypes.ociManifest)),
  }),
);

/** With what each lists. */
export const manifests: readonly { readonly bytes: Buffer; readonly lists: readonly Digest[] }[] = [
  { bytes: first, lists: [0, 2].map((n) => digestOf(blobs[n]!)) },
  { bytes: second, lists: [1, 3, 4].map((n) => digestOf(blobs[n]!)) },
  { bytes: attached, lists: [0, 5].map((n) => digestOf(blobs[n]!)) },
  { bytes: index, lists: [first, second].map(digestOf) },
];

const byDigest = (all: readonly Buffer[]) => new Map(all.map((bytes) => [digestOf(bytes), bytes]));

export const contents: ReadonlyMap<Digest, Buffer> = byDigest([
  ...blobs,
  ...manifests.map(({ bytes }) => bytes),
]);

/** Some of the blobs, and one image of them. */
export const origin: Origin = {
  blobs: byDigest([1, 2, 3, 4].map((n) => blobs[n]!)),
  manifests: byDigest([second]),
  tags: new Map([['t1', digestOf(second)]]),
};
