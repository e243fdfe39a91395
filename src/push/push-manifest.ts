/**
 * A pushed manifest: checked, then stored with its tags. Its exact bytes are kept: their digest is its name.
 *
 *   1. it is a manifest of the type that it says, of the digest in the URL
 *   2. everything that it lists is in the same repository (distribution-spec, "Pushing Manifests"), except layers that lie at
 *      URLs of their own; a subject may come later. What was pushed to another replica counts, if a bucket or that replica still has
 *      it. In `overlay` and `fill`, what an endpoint has for this repository counts as well, and is fetched
 *   3. all of it is in as many buckets as the rule wants
 *   4. no immutable tag moves
 */
import { createHash } from 'node:crypto';
import type { NewManifest } from '../cache/cache.ts';
import type { HostedContent } from '../cache/hosted-content.ts';
import type { PushRule } from '../config/config.ts';
import type { Clock } from '../lib/clock.ts';
import { KeyedLock } from '../lib/flow/keyed-lock.ts';
import { type NamePattern, namePattern } from '../lib/name-patterns.ts';
import { type Digest, digestAlgorithm, parseDigest } from '../oci/digest.ts';
import { isAmbiguous, type Manifest, readManifest } from '../oci/manifest.ts';
import { isManifestType, isSchema1Type } from '../oci/media-types.ts';
import type { Tag } from '../oci/reference.ts';
import type { ImageName } from '../routing/target.ts';
import type { Durable } from './durable.ts';
import { createMissingContent, type MissingContentDeps } from './missing-content.ts';
import { isNoRoom } from './no-room.ts';
import type { ManifestFailure, PushedManifest, StoredManifest } from './push.ts';

export interface PushManifestDeps extends MissingContentDeps {
  readonly durable: Durable;
  readonly clock: Clock;
}

/** ms for which one push waits for endpoints: a base layer of some GiB takes minutes, and a client is not kept for ever. */
const longestTaking = 600_000;

/** Checks and stores one manifest. Rejects where the storage fails for another reason than room. */
export function createPushManifest(deps: PushManifestDeps) {
  const { content, durable, clock, agreement } = deps;
  const missingOf = createMissingContent(deps);
  /** By image, so that a look at an immutable tag and its move are one. */
  const movingTags = new KeyedLock();

  /** A tag that the rule keeps where it is. */
  async function immovable(
    image: ImageName,
    tags: readonly Tag[],
    digest: Digest,
    isFixed: NamePattern | undefined,
  ) {
    const fixed = tags.filter((one) => isFixed?.(one));
    if (fixed.length > 0) await agreement.heard();
    for (const tag of fixed) {
      const current = await content.taggedDigest(image.name, tag);
      if (current !== undefined && current !== digest) return { tag, digest: current };
    }
    return undefined;
  }

  return async function putManifest(
    image: ImageName,
    pushed: PushedManifest,
    rule: PushRule,
  ): Promise<StoredManifest | ManifestFailure> {
    const { bytes, tags } = pushed;
    if (pushed.mediaType !== '' && !isManifestType(pushed.mediaType)) {
      return {
        kind: 'manifestInvalid',
        problem: `the content type "${pushed.mediaType}" is none of a manifest`,
      };
    }
    const manifest = readManifest(bytes, pushed.mediaType);
    if ('problem' in manifest)
      return { kind: 'manifestInvalid', problem: `the manifest ${manifest.problem}` };
    const { mediaType, subject } = manifest;
    const problem = problemOf(mediaType, bytes);
    if (problem !== undefined) return { kind: 'manifestInvalid', problem };
    const digest = digestOf(bytes, pushed.digest);
    if (pushed.digest && pushed.digest !== digest) {
      return { kind: 'digestMismatch', wanted: pushed.digest, found: digest };
    }
    const taking = new AbortController();
    const timer = clock.after(longestTaking, () => taking.abort());
    const missing = await missingOf(image, manifest, rule, taking.signal).finally(() => timer.cancel());
    if (missing.length > 0)
      return { kind: taking.signal.aborted ? 'slow' : 'unknownContent', digests: missing };
    const failure =
      (await undurable(durable, image, manifest, rule)) ?? (await durable.bytes(image, digest, bytes, rule));
    if (failure) return failure;
    const refused = await movingTags.run(image.name, () =>
      store(image, rule, { digest, mediaType, bytes, manifest }, pushed),
    );
    if (refused) return refused;
    return {
      kind: 'stored',
      digest,
      tags,
      subject,
      warnings: await warningsOf(content, image, digest, tags),
    };
  };

  /** Unless it would move an immutable tag. */
  async function store(
    image: ImageName,
    rule: PushRule,
    value: Omit<NewManifest, 'endpoint'>,
    { tags, cause }: Pick<PushedManifest, 'tags' | 'cause'>,
  ): Promise<ManifestFailure | undefined> {
    const fixed = await immovable(image, tags, value.digest, namePattern(rule.immutable));
    if (fixed) return { kind: 'immutable', ...fixed };
    try {
      await content.putManifest(image.name, value, tags, { hosted: rule.mode !== 'fill', cause });
      return undefined;
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      content.writeFailed(error);
      return { kind: 'full', bytes: value.bytes.byteLength };
    }
  }
}

/** What the manifest lists is durable before it: a blob may be here without an answer to its push. */
async function undurable(
  durable: Durable,
  image: ImageName,
  { children }: Manifest,
  rule: PushRule,
): Promise<ManifestFailure | undefined> {
  for (const { digest, isElsewhere } of children) {
    const failure = isElsewhere ? undefined : await durable.stored(image, digest, rule);
    if (failure) return failure;
  }
  return undefined;
}

/**
 * `skopeo copy` without `--all` pushes one platform of an index. Clients that pull by the digest of the index then find nothing
 * (containers/skopeo#1044, #2683).
 */
async function warningsOf(
  content: Pick<HostedContent, 'indexesOf'>,
  image: ImageName,
  digest: Digest,
  tags: readonly Tag[],
): Promise<readonly string[]> {
  const [index] = tags.length === 0 ? [] : await content.indexesOf(image.name, digest);
  if (index === undefined) return [];
  return [
    `this is one platform of the index ${index}, which is what clients may pull by digest: push it with skopeo copy --all --preserve-digests`,
  ];
}

/** Why a manifest that can be pulled is not taken. */
function problemOf(mediaType: string, bytes: Uint8Array): string | undefined {
  if (isSchema1Type(mediaType)) return 'manifests of schema 1 are not taken: push schema 2 or OCI';
  return isAmbiguous(bytes)
    ? 'the manifest lists both images and layers: it would mean one thing here and another elsewhere'
    : undefined;
}

/** By the algorithm of the digest that the client names. */
function digestOf(bytes: Uint8Array, wanted: Digest | undefined): Digest {
  const algorithm = wanted === undefined ? 'sha256' : digestAlgorithm(wanted);
  return parseDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`) as Digest;
}
