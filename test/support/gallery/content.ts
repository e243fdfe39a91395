/** What every registry of the gallery holds: two public repositories with a layer in common, a forbidden one, and referrers. */
import type { Digest } from '../../../src/oci/digest.ts';
import { mediaTypes } from '../../../src/oci/media-types.ts';
import { type Blob, generateBlob } from '../byte-source.ts';
import type { FakeRegistry } from '../fake-registry.ts';
import { buildArtifact, buildImage, buildIndex, type Image } from '../images.ts';
import type { Personality } from './personality.ts';

export const names = {
  app: 'team/app',
  other: 'team/other',
  secret: 'team/secret',
  unknown: 'team/unknown',
} as const;

export const sharedLayer = generateBlob(200_000, 'shared by two repositories');
export const app = buildIndex({ layers: [sharedLayer, 3000], seed: 'app' });
/** What the tag of `app` moves to. */
export const nextApp = buildIndex({ layers: [sharedLayer, 3000], seed: 'next app' });
export const other = buildImage({ layers: [sharedLayer, 2000], format: 'docker', seed: 'other' });
export const secret = buildImage({ layers: [1000], seed: 'secret' });
export const sbom = buildArtifact(app, { artifactType: 'application/spdx+json', content: '{"spdx":1}' });
export const signature = buildArtifact(app, { artifactType: 'application/vnd.sig.v1', content: 'signed' });
export const referrers = [sbom, signature];
export const fallbackTag = app.digest.replace(':', '-');

/** Every blob of every repository. */
export const allBlobs: readonly Blob[] = [app, nextApp, other, secret, sbom, signature].flatMap(
  (image) => image.blobs,
);

/** Tags of `app` besides `1`. */
export const moreTags = Array.from({ length: 24 }, (_, at) => `v${String(at).padStart(2, '0')}`);
export const absentDigest = `sha256:${'0'.repeat(64)}` as Digest;

/** Every tag that a list of `app` has to hold. */
export function tagsOf(personality: Personality): readonly string[] {
  const fallback = personality.referrers === 'tag' ? [fallbackTag] : [];
  return ['1', ...moreTags, ...fallback].sort();
}

/** Puts all of it into a registry. */
export function fill(registry: FakeRegistry, personality: Personality): void {
  const homes = new Map<Digest, Set<string>>();
  const place = (repository: string, tag: string | undefined, image: Image) => {
    for (const child of image.children) registry.putManifest(repository, undefined, child);
    registry.putManifest(repository, tag, image);
    for (const blob of image.blobs) {
      const home = homes.get(blob.digest) ?? new Set();
      homes.set(blob.digest, home.add(repository));
      registry.putBlob(blob, [...home]);
    }
  };
  place(names.app, '1', app);
  place(names.app, undefined, nextApp);
  for (const tag of moreTags) registry.putManifest(names.app, tag, app);
  place(names.other, '1', other);
  place(names.secret, '1', secret);
  for (const artifact of referrers) place(names.app, undefined, artifact);
  if (personality.referrers === 'tag') registry.putManifest(names.app, fallbackTag, referrersIndex());
}

/** As a client pushes it that knows of no referrers API: with the type of each. */
function referrersIndex(): { bytes: string; mediaType: string } {
  const manifests = referrers.map(({ mediaType, digest, bytes }) => {
    const { artifactType } = JSON.parse(bytes.toString()) as { artifactType: string };
    return { mediaType, digest, size: bytes.length, artifactType };
  });
  const mediaType = mediaTypes.ociIndex;
  return { bytes: JSON.stringify({ schemaVersion: 2, mediaType, manifests }), mediaType };
}
