/**
 * Pulls of images that a `[[push]]` rule names, or that were imported. It stands before the pull of endpoints and answers what this
 * server itself knows. Imported tags of an image without a rule, or in `fill`, are as in `overlay`.
 *
 *               local                        overlay                          fill
 *   tag         hosted, else 404             hosted, else as ever             as ever
 *   digest      hosted, else 404             hosted, else as ever             as ever
 *   tag list    the tags here                the endpoints' and the hosted    as ever
 *   referrers   those here                   the endpoints' and those here    the endpoints' and those here
 *
 * Hosted content is never revalidated: no endpoint knows better. In `local` no endpoint is ever asked. What is hosted and not stored here
 * is in a bucket, or on the disk of another replica (`recall.ts`). Before an image has something not, this replica hears what others
 * have been pushed a moment ago.
 */
import type { Cache } from '../../cache/cache.ts';
import type { HostedContent } from '../../cache/hosted-content.ts';
import { isHosted } from '../../cache/index/catalogue.ts';
import type { PushRule } from '../../config/config.ts';
import { createPushRules } from '../../config/push-rules.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Tag } from '../../oci/reference.ts';
import type { BlobTarget, ImageName, ManifestTarget, ReferrersTarget } from '../../routing/target.ts';
import { byBytes, page } from '../list-tags.ts';
import type { CacheResult, Pull, Pulled, ReferrersContent } from '../pull.ts';
import { openStoredBlob } from '../stored-blob.ts';
import { verdictText } from '../verdict-text.ts';
import { absent, createHostedLookup, type HostedLookupDeps } from './hosted-lookup.ts';
import { createHostedReferrers } from './hosted-referrers.ts';

export interface HostedPullDeps
  extends Omit<HostedLookupDeps, 'modeOf' | 'hostedTag' | 'hasTag' | 'cache' | 'content'> {
  /** The pull of endpoints, through the cache. */
  readonly pull: Pull;
  readonly cache: Pick<Cache, 'tag' | 'manifest' | 'open'>;
  readonly content: Pick<HostedContent, 'tags' | 'importedTags' | 'referrersOf' | 'knows' | 'isPushed'>;
}

/** Where the endpoints know nothing, what is here is all; where none answers, more may exist. */
function unconfirmed({ verdict }: Pulled<unknown> & { readonly found: false }): CacheResult {
  return verdict.kind === 'notFound' ? 'hit' : 'stale';
}

function isHostedMode(mode: PushRule['mode'] | undefined): boolean {
  return mode === 'local' || mode === 'overlay';
}

function hit<T>(value: T): Pulled<T> {
  return { found: true, value, cache: 'hit', trail: [] };
}

function byDigest(target: ManifestTarget | BlobTarget, digest: Digest): ManifestTarget | BlobTarget {
  if (target.kind === 'blob') return target;
  const { registry, repository } = target.reference;
  return { ...target, reference: { registry, repository, digest } };
}

export interface HostedPull extends Pull {
  /** Whether a blob that the image may serve is stored here, in a bucket or on another replica. No endpoint is asked. */
  holds(target: BlobTarget): Promise<boolean>;
}

/** The first rule that matches an image counts. */
export function createHostedPull(deps: HostedPullDeps, rules: readonly PushRule[]): HostedPull {
  const { pull, cache, content, recall } = deps;
  const ruleOf = createPushRules(rules);
  const modeOf = ({ name }: ImageName) => ruleOf(name)?.mode;
  const referrers = createHostedReferrers({ cache: { tag: cache.tag, manifest: recall.here }, content });

  async function hostedTag(image: string, tag: Tag) {
    const known = await cache.tag(image, tag);
    return known && isHosted(known.endpoint) ? known.digest : undefined;
  }

  /** What the target means here: a tag is looked up among the hosted ones. */
  async function hostedDigest(target: ManifestTarget | BlobTarget): Promise<Digest | undefined> {
    if (target.kind === 'blob') return target.digest;
    const { tag, digest } = target.reference;
    return tag === undefined ? digest : await hostedTag(target.image.name, tag);
  }

  /** By a tag of the image, or by its digest alone. */
  async function hasImported({ image, subject }: ReferrersTarget): Promise<boolean> {
    if ((await content.isPushed(image.name, subject)) === true) return true;
    return (await content.importedTags(image.name)).length > 0;
  }

  async function storedSize(kind: 'manifest' | 'blob', name: string, digest: Digest) {
    if (kind === 'manifest') return (await cache.manifest(name, digest))?.bytes.length;
    const stored = await openStoredBlob(cache, name, digest);
    stored?.value.close();
    return stored?.value.size;
  }

  const orHosted = createOrHosted(content);

  /** Another replica may have been pushed one a moment ago. */
  async function ours(target: ReferrersTarget, theirs: ReferrersContent | undefined) {
    const merged = await referrers.merged(target, theirs);
    return merged.hasOurs || target.byPeer || !(await deps.heard())
      ? merged
      : referrers.merged(target, theirs);
  }

  async function hasTag(image: string, tag: Tag): Promise<boolean> {
    const known = await cache.tag(image, tag);
    return known !== undefined && !isHosted(known.endpoint);
  }

  const lookup = createHostedLookup({ ...deps, modeOf, hostedTag, hasTag });

  return {
    expire: pull.expire,
    holds: async (target) =>
      ((await lookup.stored.headBlob(target)) ?? (await recall.headBlob(target))).found,

    async manifest(target) {
      if (target.isStoredOnly) return (await lookup.stored.manifest(target)) ?? absent;
      if (!isHostedMode(modeOf(target.image))) return pull.manifest(target);
      return lookup.manifest(target, () => pull.manifest(target));
    },

    async headBlob(target) {
      if (target.isStoredOnly) return (await lookup.stored.headBlob(target)) ?? absent;
      if (!isHostedMode(modeOf(target.image)))
        return orHosted(target, await pull.headBlob(target), recall.headBlob);
      return lookup.headBlob(target, () => pull.headBlob(target));
    },

    async blob(target) {
      if (target.isStoredOnly) return (await lookup.stored.blob(target)) ?? absent;
      if (!isHostedMode(modeOf(target.image))) return orHosted(target, await pull.blob(target), recall.blob);
      return lookup.blob(target, () => pull.blob(target));
    },

    async ensure(target, options) {
      const { image } = target;
      const mode = modeOf(image);
      if (!isHostedMode(mode)) return pull.ensure(target, options);
      const digest = await hostedDigest(target);
      const size = digest && (await storedSize(target.kind, image.name, digest));
      if (digest && size !== undefined) return { ok: true, how: 'here', digest, size, trail: [] };
      const recalled = digest && (await recall.ensure(byDigest(target, digest), options));
      if (recalled?.ok) return recalled;
      if (mode === 'overlay') return pull.ensure(target, options);
      const verdict = { kind: 'notFound', isLocal: true } as const;
      return { ok: false, how: 'missing', reason: verdictText(verdict, []), verdict, trail: [] };
    },

    async tags(target) {
      const { limit, after, ...all } = target;
      const { image } = all;
      const mode = modeOf(image);
      const ours = await (isHostedMode(mode) ? content.tags : content.importedTags)(image.name);
      if (!isHostedMode(mode) && ours.length === 0) return pull.tags(target);
      if (mode === 'local') {
        const isKnown = ours.length > 0 || (await content.knows(image.name));
        return isKnown ? hit(page(ours, limit, after)) : absent;
      }
      const theirs = await pull.tags(all);
      if (ours.length === 0 && !theirs.found) return theirs;
      const tags = [...new Set([...ours, ...(theirs.found ? theirs.value.tags : [])])].sort(byBytes);
      const value = page(tags, limit, after);
      return theirs.found
        ? { ...theirs, value }
        : { found: true, value, cache: unconfirmed(theirs), trail: theirs.trail };
    },

    async referrers(target) {
      const mode = modeOf(target.image);
      if (mode === undefined && !(await hasImported(target))) return pull.referrers(target);
      if (mode === 'local') return hit((await ours(target, undefined)).value);
      const theirs = await pull.referrers(target);
      const { value, hasOurs } = await ours(target, theirs.found ? theirs.value : undefined);
      if (theirs.found) return hasOurs ? { ...theirs, value } : theirs;
      // A site without a network has what came with the image: no referrers are an answer, not a failure.
      const isKnown = hasOurs || (await content.isPushed(target.image.name, target.subject)) === true;
      return isKnown ? { found: true, value, cache: unconfirmed(theirs), trail: theirs.trail } : theirs;
    },
  };
}

/** What endpoints do not know may be hosted: then buckets alone say whether it is there, and 404 would be a lie while they cannot. */
function createOrHosted(content: Pick<HostedContent, 'isPushed'>) {
  return async <T>(
    target: BlobTarget,
    pulled: Pulled<T>,
    recalled: (target: BlobTarget) => Promise<Pulled<T>>,
  ): Promise<Pulled<T>> => {
    if (pulled.found || pulled.verdict.kind !== 'notFound') return pulled;
    const isHosted = (await content.isPushed(target.image.name, target.digest)) === true;
    if (!isHosted) return pulled;
    const again = await recalled(target);
    return again.found || again.verdict.kind !== 'notFound' ? again : pulled;
  };
}
