/**
 * Removes images from the cache at a command. Pinned images stay, unless the command says otherwise:
 *
 *   a tag or digest that is pinned           a reference to it is refused; a glob leaves it out
 *   a repository with pins for some tags     all goes but the pinned tags and what they need
 *   a repository that is pinned as a whole   as for a tag
 *
 * Hosted images stay in the same way: nothing else has them.
 */
import type { CacheAdmin } from '../cache/cache-admin.ts';
import type { PurgeReport, PurgeTarget } from '../cache/capacity/purge.ts';
import { isGlob, readGlob, readReference } from '../config/named-images.ts';
import { EntrepotError } from '../errors.ts';
import { formatReference, parseTag, referenceName } from '../oci/reference.ts';

export interface PurgeOptions {
  /** Pinned images, too. */
  readonly pinned: boolean;
  /** Hosted images, too. */
  readonly hosted: boolean;
}

export interface PurgedImage extends PurgeReport {
  readonly reference: string;
  /** All that the reference names is pinned, and nothing was removed. */
  readonly pinned: boolean;
  /** The pinned images that stay: `registry/repository:tag`, or `registry/repository@digest`. */
  readonly kept: readonly string[];
  /** The hosted images that stay, in the same form; `registry/repository` if all that is left there is hosted and in no manifest. */
  readonly hosted: readonly string[];
}

export type PurgeImages = (what: string, options: PurgeOptions) => Promise<readonly PurgedImage[]>;

const nothing: PurgeReport = { tags: 0, unlinked: 0, removed: 0, bytes: 0 };

/** The result takes a reference or a glob, and throws EntrepotError: REFERENCE_INVALID, USAGE for a wrong glob, or PINNED. */
export function createPurgeImages({ cache }: { readonly cache: CacheAdmin }): PurgeImages {
  async function purge(target: PurgeTarget, options: PurgeOptions): Promise<PurgedImage> {
    const reference = nameOf(target);
    const named = (await cache.manifests(target.image)).filter(({ tag, digest }) => {
      if (target.digest !== undefined) return digest === target.digest;
      return target.tag === undefined || tag === target.tag;
    });
    const pinned = options.pinned ? [] : named.filter((one) => one.pinned);
    const hosted = options.hosted ? [] : named.filter((one) => one.hosted);
    const namesOf = (all: typeof named) =>
      all.map(({ tag, digest }) =>
        nameOf(tag === undefined ? { image: target.image, digest } : { image: target.image, tag }),
      );
    const stays = { kept: namesOf(pinned), hosted: namesOf(hosted) };
    const staying = new Set([...pinned, ...hosted]).size;
    const isPartial = isWhole(target) && staying < named.length;
    if (staying > 0 && !isPartial) return { reference, ...nothing, pinned: pinned.length > 0, ...stays };
    const keeps = { keepsPinned: pinned.length > 0, keepsHosted: !options.hosted };
    const report = await cache.purge({ ...target, ...keeps });
    const isLeftover =
      isWhole(target) && named.length === 0 && !options.hosted && (await hasContent(target.image));
    return { reference, ...report, pinned: false, ...stays, ...(isLeftover && { hosted: [target.image] }) };
  }

  /** Of an image without a manifest that a purge has just left: only hosted content stays then. */
  async function hasContent(image: string): Promise<boolean> {
    for await (const one of cache.eachImage()) if (one.image === image) return one.contents > 0;
    return false;
  }

  async function purgeMatching(glob: string, options: PurgeOptions): Promise<PurgedImage[]> {
    const matches = readGlob(glob);
    const reports: PurgedImage[] = [];
    for await (const { image } of cache.eachImage()) {
      const tags = (await cache.manifests(image)).flatMap(({ tag }) => parseTag(tag ?? '') ?? []);
      const targets: PurgeTarget[] = matches(image)
        ? [{ image }]
        : tags.filter((tag) => matches(`${image}:${tag}`)).map((tag) => ({ image, tag }));
      for (const target of targets) reports.push(await purge(target, options));
    }
    return reports;
  }

  return async (what, options) => {
    if (isGlob(what)) return await purgeMatching(what, options);
    const reference = readReference(what);
    const { tag, digest } = reference;
    const report = await purge({ image: referenceName(reference), tag, digest }, options);
    const isWholeKept = report.hosted.length > 0 && report.tags + report.unlinked === 0;
    if (!report.pinned && !isWholeKept) return [report];
    const name = formatReference(reference);
    if (isWholeKept) {
      const message = `${name} is hosted, and nothing else has it: purge it with --hosted`;
      throw new EntrepotError('PINNED', message);
    }
    throw new EntrepotError('PINNED', `${name} is pinned: unpin it first, or purge it with --pinned`);
  };
}

function isWhole({ tag, digest }: PurgeTarget): boolean {
  return tag === undefined && digest === undefined;
}

function nameOf({
  image,
  tag,
  digest,
}: Pick<PurgeTarget, 'image'> & { tag?: string | undefined; digest?: string | undefined }): string {
  return `${image}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}
