/**
 * Brings an image into the cache as a client would: the manifest, the manifests below it, their blobs, a few at a time.
 * What one platform lacks does not keep the others away.
 */
import type { CacheAdmin } from '../cache/cache-admin.ts';
import { formatRoundedSize } from '../config/toml/units.ts';
import { reasonOf } from '../lib/thrown.ts';
import type { Digest } from '../oci/digest.ts';
import { type Descriptor, type Manifest, readManifest } from '../oci/manifest.ts';
import { isManifestType } from '../oci/media-types.ts';
import { formatReference } from '../oci/reference.ts';
import type { ImageName, ManifestTarget } from '../routing/target.ts';
import { attestationPlatform, chosenParts, isElsewhere, isPlatform, platformsOf } from './image-parts.ts';
import type { EnsureOptions, Pull } from './pull.ts';
import { verdictText } from './verdict-text.ts';

/** A reference with a tag or a digest. */
export type WarmReference = ManifestTarget['reference'];

export interface WarmOptions {
  /** `linux/arm64`, which also means `linux/arm64/v8`; none: all. */
  readonly platforms: readonly string[];
  readonly onProgress: (progress: WarmProgress) => void;
  /** Leaves the blobs where they are. */
  readonly isManifestsOnly?: boolean;
  /** Aborted: what is under way is left, and counts as failed. */
  readonly signal?: AbortSignal | undefined;
  /** For jobs: awaited before each blob's transfer begins. */
  readonly turn?: EnsureOptions['turn'];
  /** For jobs: keeps the transfers of all blobs to a rate together. */
  readonly pace?: EnsureOptions['pace'];
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
  /** What the image cannot be pulled from the cache without. */
  readonly failures: readonly string[];
  /** What is missing and no client needs: attestations. */
  readonly notes: readonly string[];
}

/** A manifest or a blob that is wanted. */
interface Wanted {
  readonly descriptor: Descriptor;
  /** Part of an attestation: its absence is no failure. */
  readonly isExtra: boolean;
}

const blobsAtOnce = 3;

export interface WarmDeps {
  readonly pull: Pick<Pull, 'manifest' | 'ensure'>;
  readonly cache: Pick<CacheAdmin, 'isStored' | 'bound'>;
}

/** Gives the function that warms one image. What fails is in its report; it rejects with bugs only. */
export function createWarmImage({
  pull,
  cache,
}: WarmDeps): (reference: WarmReference, options: WarmOptions) => Promise<WarmReport> {
  return async (reference, { platforms, onProgress, signal, turn, pace, isManifestsOnly }) => {
    const { registry, repository } = reference;
    const image: ImageName = { registry, repository, name: `${registry}/${repository}` };
    const name = formatReference(reference);
    const report = { digest: null as Digest | null, manifests: 0, blobs: 0, bytes: 0, fetched: 0 };
    const failures: string[] = [];
    const notes: string[] = [];
    const manifests = new Set<Digest>();
    const blobs = new Map<Digest, Wanted>();
    /** Children, and whether only attestations want them. Indexes that list each other twice must not double the work each time. */
    const taken = new Map<Digest, boolean>();

    function miss(isExtra: boolean, what: string): void {
      if (isExtra) notes.push(`${what} (an attestation, which no client needs to run the image)`);
      else failures.push(what);
    }

    function count(bytes: number, isHere: boolean): void {
      report.bytes += bytes;
      if (!isHere) report.fetched += bytes;
    }

    async function takeManifest(wanted: WarmReference, isRoot: boolean, isExtra: boolean): Promise<void> {
      if (signal?.aborted) {
        failures.push(`${formatReference(wanted)}: ${reasonOf(signal.reason)}`);
        return;
      }
      const pulled = await pull.manifest({ kind: 'manifest', image, reference: wanted });
      if (!pulled.found) {
        miss(isExtra, `${formatReference(wanted)}: ${verdictText(pulled.verdict, pulled.trail)}`);
        return;
      }
      const { digest, mediaType, bytes } = pulled.value;
      if (isRoot) report.digest = digest;
      report.manifests += 1;
      if (!isExtra) manifests.add(digest);
      count(bytes.length, pulled.cache !== 'fetched' && pulled.cache !== 'joined');
      const manifest = readManifest(bytes, mediaType);
      if ('problem' in manifest) return;
      for (const lacking of isRoot ? lackingPlatforms(manifest, platforms) : []) {
        failures.push(`${formatReference(wanted)}: ${lacking}`);
      }
      for (const child of chosenParts(manifest.children, platforms)) {
        const isExtraChild = isExtra || child.platform === attestationPlatform;
        if (isManifestType(child.mediaType)) {
          const isOnlyExtra = taken.get(child.digest);
          if (isOnlyExtra === false || isOnlyExtra === isExtraChild) continue;
          taken.set(child.digest, isExtraChild);
          await takeManifest({ registry, repository, digest: child.digest }, false, isExtraChild);
        } else if (!isElsewhere(child) && blobs.get(child.digest)?.isExtra !== false) {
          blobs.set(child.digest, { descriptor: child, isExtra: isExtraChild });
        }
      }
    }

    async function take({ descriptor: { digest, size }, isExtra }: Wanted): Promise<void> {
      onProgress({ reference: name, digest, size, done: 0 });
      const tell = (done: number) => onProgress({ reference: name, digest, size, done });
      const ensured = await pull.ensure({ kind: 'blob', image, digest }, { signal, tell, turn, pace });
      if (!ensured.ok) {
        miss(isExtra, `${image.name}@${digest}: ${ensured.reason}`);
        return;
      }
      onProgress({ reference: name, digest, size, done: size });
      report.blobs += 1;
      count(size, ensured.how === 'here');
    }

    async function takeBlobs(waiting: Iterator<Wanted>): Promise<void> {
      for (let next = waiting.next(); !next.done; next = waiting.next()) {
        const { descriptor, isExtra } = next.value;
        await take(next.value).catch((error: unknown) => {
          const reason = reasonOf(error);
          miss(isExtra, `${image.name}@${descriptor.digest}: ${reason}`);
        });
      }
    }

    /** Whether the image can fit at all: what can never be kept whole must not drive out others. */
    function fits(): boolean {
      const { bytes, what } = cache.bound(image.name);
      const wanted = [...blobs.values()].reduce((sum, { descriptor }) => sum + descriptor.size, report.bytes);
      if (wanted <= bytes) return true;
      failures.push(
        `${name}: has ${formatRoundedSize(wanted)}, but ${what} has room for ${formatRoundedSize(bytes)} only`,
      );
      return false;
    }

    /** What came may have had no room, or may have gone again for the sake of what came after it. */
    async function checkKept(): Promise<void> {
      const needed = [...blobs.values()].filter(({ isExtra }) => !isExtra);
      const all = [...manifests, ...needed.map(({ descriptor }) => descriptor.digest)];
      const stored = await Promise.all(all.map(cache.isStored));
      const lost = stored.filter((isStored) => !isStored).length;
      if (lost === 0 || failures.length > 0) return;
      failures.push(
        `${name}: ${lost} of ${all.length} contents were fetched but could not be kept in the cache`,
      );
    }

    await takeManifest(reference, true, false);
    if (!isManifestsOnly && fits()) {
      const waiting = blobs.values();
      await Promise.all(Array.from({ length: blobsAtOnce }, () => takeBlobs(waiting)));
      await checkKept();
    }
    return { reference: name, ...report, failures, notes };
  };
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
