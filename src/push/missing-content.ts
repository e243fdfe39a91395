/**
 * What a pushed manifest lists and its image has not. Content counts as there if it is
 *
 *   stored here, and linked ..................... by a push, or by a pull: then it is hosted from now on
 *   pushed to another replica ................... and a bucket or that replica still has it. A manifest is fetched: it tells what it lists
 *   at an endpoint, in `overlay` and `fill` ..... it is fetched
 */
import type { HostedContent } from '../cache/hosted-content.ts';
import type { Agreement } from '../cache/shared/agreement.ts';
import type { PushRule } from '../config/config.ts';
import type { Digest } from '../oci/digest.ts';
import type { Descriptor, Manifest } from '../oci/manifest.ts';
import { isManifestType } from '../oci/media-types.ts';
import type { HostedPull } from '../pull/hosted/hosted-pull.ts';
import type { ImageName } from '../routing/target.ts';
import type { TakeUpstream } from './take-upstream.ts';

export interface MissingContentDeps {
  readonly content: HostedContent;
  readonly pull: Pick<HostedPull, 'holds' | 'manifest'>;
  readonly takeUpstream: TakeUpstream;
  readonly agreement: Pick<Agreement, 'heard'>;
}

/** Missing contents that an answer names. */
const maxMissing = 20;
/** Questions to the cache, or to endpoints, at once. */
const atOnce = 8;

/** At most 20 digests. Once the signal is aborted no endpoint is waited for. */
export type MissingContent = (
  image: ImageName,
  manifest: Manifest,
  rule: PushRule,
  signal: AbortSignal,
) => Promise<readonly Digest[]>;

/** Rejects when the index cannot be read or written. */
export function createMissingContent(deps: MissingContentDeps): MissingContent {
  const { content, pull, takeUpstream, agreement } = deps;

  /** A child manifest has to be one here, too: the bytes alone may have come as a blob. */
  async function isHere(image: string, { digest, mediaType }: Descriptor): Promise<boolean> {
    if (isManifestType(mediaType)) return (await content.manifest(image, digest)) !== undefined;
    return content.serves(image, digest);
  }

  /** What hosted content lists is hosted as well, also where a pull has brought it. */
  async function isKept(image: string, child: Descriptor, rule: PushRule): Promise<boolean> {
    if (!(await isHere(image, child))) return false;
    return rule.mode === 'fill' || content.adopt(image, child.digest);
  }

  /** What the image hosts by a push to another replica, and is still somewhere. A manifest is fetched, since it tells what it lists. */
  async function isElsewhere(image: ImageName, child: Descriptor, rule: PushRule): Promise<boolean> {
    const { digest, mediaType } = child;
    if (rule.mode === 'fill' || !(await content.isPushed(image.name, digest))) return false;
    const { registry, repository } = image;
    if (!isManifestType(mediaType)) return pull.holds({ kind: 'blob', image, digest });
    await pull.manifest({ kind: 'manifest', image, reference: { registry, repository, digest } });
    return isKept(image.name, child, rule);
  }

  return async (image, manifest, rule, signal) => {
    const listed = manifest.children.filter(({ isElsewhere }) => !isElsewhere);
    const wanted = [...new Map(listed.map((child) => [child.digest, child])).values()];
    const missing: Digest[] = [];
    let hearing: Promise<boolean> | undefined;
    const hear = () => {
      hearing ??= agreement.heard();
      return hearing;
    };
    for (let at = 0; at < wanted.length && missing.length < maxMissing; at += atOnce) {
      const part = wanted.slice(at, at + atOnce);
      const found = await Promise.all(
        part.map(
          async (child) =>
            (await isKept(image.name, child, rule)) ||
            ((await hear()) && (await isKept(image.name, child, rule))) ||
            (await isElsewhere(image, child, rule)) ||
            ((rule.mode !== 'local' || (await content.isPlaced(child.digest))) &&
              (await takeUpstream(image, child, { hosted: rule.mode !== 'fill' }, signal))),
        ),
      );
      missing.push(...part.filter((_, index) => !found[index]).map(({ digest }) => digest));
    }
    return missing.slice(0, maxMissing);
  };
}
