/**
 * Brings an image into the cache as a client would: the manifest, the manifests below it, their blobs, a few at a time.
 * What one platform lacks does not keep the others away.
 */
import type { Digest } from '../oci/digest.ts';
import { type Descriptor, type Manifest, readManifest } from '../oci/manifest.ts';
import { isManifestType } from '../oci/media-types.ts';
import { formatReference } from '../oci/reference.ts';
import type { ImageName, ManifestTarget } from '../routing/target.ts';
import type { Pull } from './pull.ts';
import { reasonOf } from './reason.ts';
import { takeBlob } from './take-blob.ts';

/** A reference with a tag or a digest. */
export type WarmReference = ManifestTarget['reference'];

export interface WarmOptions {
  /** `linux/arm64`, which also means `linux/arm64/v8`; none: all. */
  readonly platforms: readonly string[];
  readonly onProgress: (progress: WarmProgress) => void;
}

export interface WarmProgress {
  readonly reference: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly done: number;
}

export interface WarmReport {
  readonly reference: string;
  readonly digest: Digest | null;
  readonly manifests: number;
  readonly blobs: number;
  /** Of all these manifests and blobs. */
  readonly bytes: number;
  /** Of those that were not here before. */
  readonly fetched: number;
  readonly failures: readonly string[];
}

const blobsAtOnce = 3;

export function createWarmImage({
  pull,
}: {
  readonly pull: Pick<Pull, 'manifest' | 'blob'>;
}): (reference: WarmReference, options: WarmOptions) => Promise<WarmReport> {
  return async (reference, { platforms, onProgress }) => {
    const { registry, repository } = reference;
    const image: ImageName = { registry, repository, name: `${registry}/${repository}` };
    const name = formatReference(reference);
    const report = { digest: null as Digest | null, manifests: 0, blobs: 0, bytes: 0, fetched: 0 };
    const failures: string[] = [];
    const blobs = new Map<Digest, Descriptor>();

    function count(bytes: number, isHere: boolean): void {
      report.bytes += bytes;
      if (!isHere) report.fetched += bytes;
    }

    async function takeManifest(wanted: WarmReference, isRoot: boolean): Promise<void> {
      const pulled = await pull.manifest({ kind: 'manifest', image, reference: wanted });
      if (!pulled.found) {
        failures.push(`${formatReference(wanted)}: ${reasonOf(pulled.verdict, pulled.trail)}`);
        return;
      }
      const { digest, mediaType, bytes } = pulled.value;
      if (isRoot) report.digest = digest;
      report.manifests += 1;
      count(bytes.length, pulled.cache !== 'fetched' && pulled.cache !== 'joined');
      const manifest = readManifest(bytes, mediaType);
      if ('problem' in manifest) return;
      for (const lacking of isRoot ? lackingPlatforms(manifest, platforms) : []) {
        failures.push(`${formatReference(wanted)}: ${lacking}`);
      }
      for (const child of chosen(manifest, platforms)) {
        if (isManifestType(child.mediaType)) {
          await takeManifest({ registry, repository, digest: child.digest }, false);
        } else if (!isElsewhere(child)) {
          blobs.set(child.digest, child);
        }
      }
    }

    async function take({ digest, size }: Descriptor): Promise<void> {
      onProgress({ reference: name, digest, size, done: 0 });
      const taken = await takeBlob(pull, { kind: 'blob', image, digest }, (done) =>
        onProgress({ reference: name, digest, size, done }),
      );
      if (!taken.ok) {
        failures.push(`${image.name}@${digest}: ${taken.reason}`);
        return;
      }
      onProgress({ reference: name, digest, size, done: size });
      report.blobs += 1;
      count(size, taken.isHere);
    }

    async function takeBlobs(waiting: Iterator<Descriptor>): Promise<void> {
      for (let next = waiting.next(); !next.done; next = waiting.next()) {
        const { digest } = next.value;
        await take(next.value).catch((error: unknown) => {
          failures.push(`${image.name}@${digest}: ${error instanceof Error ? error.message : String(error)}`);
        });
      }
    }

    await takeManifest(reference, true);
    const waiting = blobs.values();
    await Promise.all(Array.from({ length: blobsAtOnce }, () => takeBlobs(waiting)));
    return { reference: name, ...report, failures };
  };
}

/** What is not said to be for a platform (an image's blobs, an attestation) goes along with all platforms only. */
function chosen({ children }: Manifest, platforms: readonly string[]): readonly Descriptor[] {
  if (platforms.length === 0 || platformsOf(children).size === 0) return children;
  return children.filter(({ platform }) => platforms.some((wanted) => isPlatform(platform, wanted)));
}

/** A sentence for each of `platforms` that this index does not have. */
function lackingPlatforms({ children }: Manifest, platforms: readonly string[]): readonly string[] {
  const present = platformsOf(children);
  if (present.size === 0) return [];
  const lacking = platforms.filter(
    (wanted) => ![...present].some((platform) => isPlatform(platform, wanted)),
  );
  return lacking.map((wanted) => `has no platform ${wanted}: it has ${[...present].join(', ')}`);
}

/** Attestations are for `unknown/unknown`. */
function platformsOf(children: readonly Descriptor[]): ReadonlySet<string> {
  const platforms = children.flatMap(({ platform }) => platform ?? []);
  return new Set(platforms.filter((platform) => platform !== 'unknown/unknown'));
}

function isPlatform(platform: string | undefined, wanted: string): boolean {
  return platform === wanted || (platform?.startsWith(`${wanted}/`) ?? false);
}

/** Layers that a registry must not give out are for the client to get from where their URLs say. */
function isElsewhere({ mediaType }: Descriptor): boolean {
  return /\.foreign\.|\.nondistributable\./.test(mediaType);
}
