/**
 * Re-hashes stored contents, on a thread of its own, and drops those that are damaged. It looks through the contents as `reconcile.ts`
 * does: by the first byte of their digests, each byte a *folder*.
 *
 *   file missing, of another size, with other bytes, or the disk gives an error ... dropped; step `lost`
 *   file that cannot be opened because of itself, such as missing rights .......... counts as missing, the file stays; step `lost`
 *   an error that passes, such as too many open files ............................. left alone; step `unreadable`
 *
 * Hosted content that is damaged keeps its file and its names. Content of the same folder that was found damaged before, and is not
 * back, gives a step `lost` as well. Reading here is no use of a
 * content: the order of eviction does not change, but a content that is being read is not evicted.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Pace } from '../../lib/flow/pace.ts';
import type { NamePattern } from '../../lib/name-patterns.ts';
import { reasonOf } from '../../lib/thrown.ts';
import { type Digest, digestAlgorithms } from '../../oci/digest.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Contents } from '../contents.ts';
import { descendants } from '../descendants.ts';
import type { Catalogue } from '../index/catalogue.ts';
import type { Inventory } from '../index/inventory.ts';
import type { ImageSummary } from '../index/listing.ts';
import type { DamagedContent } from './damaged-content.ts';
import { verifyContent } from './verify-content.ts';

export interface Scrub {
  /** Checks the folder of the byte `first`, and ends early when the signal is aborted. */
  folder(first: number, options: ScrubOptions): AsyncGenerator<ScrubStep>;
  /** Contents that matching images or tags link, for `isWanted`. */
  select(matches: NamePattern): Promise<Selection>;
  /** A lost content that could not be fetched again: the next scrub gives it again. */
  keep(loss: DamagedContent): void;
}

export interface ScrubOptions {
  readonly isWanted: (digest: Digest) => boolean;
  /** Of bytes. */
  readonly pace: Pace;
  readonly signal: AbortSignal;
}

export type ScrubStep =
  /** So many bytes more were read. */
  | { readonly kind: 'read'; readonly bytes: number }
  /** One content more was looked at. */
  | { readonly kind: 'checked' }
  | { readonly kind: 'lost'; readonly loss: DamagedContent }
  | { readonly kind: 'unreadable'; readonly digest: Digest; readonly reason: string };

export interface Selection {
  has(digest: Digest): boolean;
  /** Of those that are stored. */
  readonly bytes: number;
}

export interface ScrubDeps {
  readonly catalogue: Catalogue;
  readonly inventory: Inventory;
  readonly store: BlobStore;
  readonly contents: Contents;
  readonly eachImage: () => AsyncGenerator<ImageSummary>;
}

const atOnce = 500;

/** Each generator rejects when the index cannot be read. */
export function createScrub(deps: ScrubDeps): Scrub {
  const { inventory, store, contents } = deps;

  async function* check(digest: Digest, { pace, signal }: ScrubOptions): AsyncGenerator<ScrubStep> {
    if (contents.arriving.has(digest)) return;
    // Before its row is read: from here on eviction leaves it alone.
    const release = contents.reading.take(digest);
    let verifying: ReturnType<typeof verifyContent> | undefined;
    try {
      const size = (await inventory.content(digest))?.size;
      if (size === undefined || contents.arriving.has(digest)) return;
      verifying = verifyContent(store, digest, size);
      let step = await verifying.next();
      while (!step.done) {
        const bytes = step.value;
        await pace.take(bytes);
        if (signal.aborted) return;
        step = await verifying.next();
        yield { kind: 'read', bytes };
      }
      if (step.value) await contents.discard(digest, step.value.reason);
      yield { kind: 'checked' };
    } catch (error) {
      if (signal.aborted) return;
      await contents.unreadable(digest, error);
      if (await inventory.content(digest)) yield { kind: 'unreadable', digest, reason: reasonOf(error) };
      else yield { kind: 'checked' };
    } finally {
      await verifying?.return(undefined);
      release();
    }
  }

  function* lost(
    first: number,
    { isWanted, signal }: ScrubOptions,
    given: Set<Digest>,
  ): Generator<ScrubStep> {
    while (!signal.aborted) {
      const loss = contents.damaged.take(first, isWanted);
      if (!loss) return;
      given.add(loss.digest);
      yield { kind: 'lost', loss };
    }
  }

  /** The index remembers these over restarts. */
  async function* lostHosted(
    first: number,
    { isWanted, signal }: ScrubOptions,
    given: ReadonlySet<Digest>,
  ): AsyncGenerator<ScrubStep> {
    for (const algorithm of digestAlgorithms) {
      for (const { digest, isManifest } of await inventory.lostHosted({ algorithm, first })) {
        if (signal.aborted) return;
        if (!isWanted(digest) || given.has(digest) || contents.arriving.has(digest)) continue;
        const reason = 'its file is missing or has other bytes';
        yield { kind: 'lost', loss: { digest, reason, isManifest, isHosted: true } };
      }
    }
  }

  return {
    async *folder(first, options) {
      const { isWanted, signal } = options;
      const given = new Set<Digest>();
      for (const algorithm of digestAlgorithms) {
        for (let after: Digest | undefined; !signal.aborted; ) {
          const some = (await inventory.within({ algorithm, first }, after, atOnce)).map(
            ({ digest }) => digest,
          );
          for (const digest of some.filter(isWanted)) {
            if (signal.aborted) return;
            yield* check(digest, options);
            yield* lost(first, options, given);
          }
          if (some.length < atOnce) break;
          after = some.at(-1);
          await turn();
        }
      }
      yield* lost(first, options, given);
      yield* lostHosted(first, options, given);
    },

    keep: (loss) => void contents.damaged.add(loss),

    select: (matches) => select(deps, matches),
  };
}

async function select(
  { catalogue, inventory, eachImage }: ScrubDeps,
  matches: NamePattern,
): Promise<Selection> {
  const chosen = new Set<Digest>();
  let bytes = 0;
  for await (const { image } of eachImage()) {
    await turn();
    const found = matches(image)
      ? await catalogue.linkedBy(image)
      : await taggedIn(catalogue, image, matches);
    for (const digest of found) {
      if (!chosen.has(digest)) bytes += (await inventory.content(digest))?.size ?? 0;
      chosen.add(digest);
    }
  }
  return { has: (digest) => chosen.has(digest), bytes };
}

/** What the image links below its tags that match. */
async function taggedIn(
  catalogue: Catalogue,
  image: string,
  matches: NamePattern,
): Promise<readonly Digest[]> {
  const tags = (await catalogue.tags(image)).filter((tag) => matches(`${image}:${tag}`));
  if (tags.length === 0) return [];
  const found = await Promise.all(tags.map((tag) => catalogue.tag(image, tag)));
  const below = await descendants(
    catalogue,
    found.flatMap((tag) => tag?.digest ?? []),
  );
  return (await catalogue.linkedBy(image)).filter((digest) => below.has(digest));
}
