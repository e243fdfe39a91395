import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Descriptor, readManifest } from '../../../src/oci/manifest.ts';
import { mediaTypes } from '../../../src/oci/media-types.ts';
import { chosenParts } from '../../../src/pull/image-parts.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const platform = (os: string, architecture: string) => ({ os, architecture });
const attests = (letter: string) => ({ 'vnd.docker.reference.digest': digest(letter) });

/** As BuildKit writes it: two images, and an attestation of each; `f` is of an image that is not in the index. */
function buildKitIndex(): readonly Descriptor[] {
  const manifests = [
    { digest: digest('a'), platform: platform('linux', 'amd64') },
    { digest: digest('b'), platform: platform('linux', 'arm64') },
    { digest: digest('c'), platform: platform('unknown', 'unknown'), annotations: attests('a') },
    { digest: digest('d'), platform: platform('unknown', 'unknown'), annotations: attests('b') },
    { digest: digest('e'), platform: platform('unknown', 'unknown') },
    { digest: digest('f'), platform: platform('unknown', 'unknown'), annotations: attests('9') },
  ].map((one) => ({ mediaType: mediaTypes.ociManifest, size: 1, ...one }));
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
  const read = readManifest(Buffer.from(JSON.stringify(index)), mediaTypes.ociIndex);
  return 'problem' in read ? assert.fail(read.problem) : read.children;
}

describe('the parts of an index that some platforms need', () => {
  const chosen = (...platforms: readonly string[]) =>
    chosenParts(buildKitIndex(), platforms).map((one) => one.digest.charAt(7));

  it('are their images, each with its attestations', () => {
    assert.deepEqual(chosen('linux/amd64'), ['a', 'c']);
    assert.deepEqual(chosen('linux/arm64', 'linux/amd64'), ['a', 'b', 'c', 'd']);
    assert.deepEqual(chosen('linux/s390x'), []);
  });

  it('are all of it where no platform is named', () => {
    assert.deepEqual(chosen(), ['a', 'b', 'c', 'd', 'e', 'f']);
  });
});
