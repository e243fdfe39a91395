/**
 * Re-hashes stored contents, on a thread of its own, and drops those whose bytes are not what they should be. It goes through
 * the contents as `reconcile.ts` does: by the first byte of their digests, each byte a *folder*.
 *
 *   file missing, of another size, with other bytes, or the disk gives an error .... dropped; told as a loss
 *   file that cannot be opened for another reason, such as rights .................. counts as missing, the file stays; told as a loss
 *   anything that has to do with the moment, such as too many open files ........... left alone; told as unreadable
 *
 * What others found to be damaged in the same folder, and nobody has brought back, is told as a loss as well. Reading here is no use
 * of a content: eviction sees nothing of it, but leaves the one alone that is being read.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Hasher } from '../../lib/bytes/hasher.ts';
import { hexHash } from '../../lib/bytes/hex-hash.ts';
import type { Pace } from '../../lib/flow/pace.ts';
import type { NamePattern } from '../../lib/name-patterns.ts';
import { reasonOf } from '../../lib/thrown.ts';
import { type Digest, digestAlgorithm, digestAlgorithms, digestHex } from '../../oci/digest.ts';
import { isSchema1Type } from '../../oci/media-types.ts';
import { isNamedBy } from '../../oci/signed-schema1.ts';
import type { BlobStore, StoredFile } from '../blobs/blob-store.ts';
import type { Contents } from '../contents.ts';
import { descendants } from '../descendants.ts';
import type { Catalogue } from '../index/catalogue.ts';
import type { Inventory } from '../index/inventory.ts';
import type { ImageSummary } from '../index/listing.ts';
import type { DamagedContent } from './damaged-content.ts';

export interface Scrub {
  /** Checks the folder of the byte `first`, and ends early when the signal is aborted. */
  folder(first: number, options: ScrubOptions): AsyncGenerator<ScrubStep>;
  /** What images and tags link whose name matches, for `isWanted`. */
  select(matches: NamePattern): Promise<Selection>;
  /** A loss that could not be brought back, and that the next scrub looks at again. */
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
  readonly hasher: Hasher;
  readonly contents: Contents;
  readonly eachImage: () => AsyncGenerator<ImageSummary>;
}

/** Bytes that are hashed before the pace is asked again. */
const step = 1024 * 1024;
const atOnce = 500;

export function createScrub(deps: ScrubDeps): Scrub {
  const { inventory, store, hasher, contents } = deps;

  /** Gives what is wrong with the file. */
  async function* read(
    digest: Digest,
    { path, size }: StoredFile,
    { pace, signal }: ScrubOptions,
  ): AsyncGenerator<ScrubStep, string | undefined> {
    const hash = hasher.begin(path, digestAlgorithm(digest));
    try {
      for (let at = 0; at < size; ) {
        const bytes = Math.min(step, size - at);
        await pace.take(bytes);
        if (signal.aborted) return undefined;
        at += bytes;
        await hash.reach(at);
        yield { kind: 'read', bytes };
      }
      if ((await hash.finish(size)) === digestHex(digest)) return undefined;
      return (await isSignedManifest(digest)) ? undefined : 'its file has other bytes';
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'EIO') return `its file cannot be read: ${message}`;
      throw error;
    } finally {
      hash.abandon();
    }
  }

  /** Schema 1 has the digest of a part of its bytes. */
  async function isSignedManifest(digest: Digest): Promise<boolean> {
    const type = (await inventory.content(digest))?.mediaType;
    if (!isSchema1Type(type ?? '')) return false;
    const bytes = await store.read(digest);
    return bytes !== undefined && isNamedBy(bytes, digest, hexHash);
  }

  async function* check(digest: Digest, options: ScrubOptions): AsyncGenerator<ScrubStep> {
    if (contents.arriving.has(digest)) return;
    // Before its row is read: from here on eviction leaves it alone.
    const release = contents.reading.take(digest);
    let file: StoredFile | undefined;
    try {
      const size = (await inventory.content(digest))?.size;
      if (size === undefined || contents.arriving.has(digest)) return;
      file = await store.open(digest);
      let fault = file ? undefined : 'its file is missing';
      if (file?.size === size) fault = yield* read(digest, file, options);
      else if (file) fault = `its file has ${file.size} bytes, not ${size}`;
      if (options.signal.aborted) return;
      const isStill = file ? file.isCurrent() : !(await store.has(digest));
      if (fault !== undefined && isStill) contents.discard(digest, fault);
      yield { kind: 'checked' };
    } catch (error) {
      if (options.signal.aborted) return;
      contents.unreadable(digest, error);
      const reason = reasonOf(error);
      if (await inventory.content(digest)) yield { kind: 'unreadable', digest, reason };
      else yield { kind: 'checked' };
    } finally {
      file?.close();
      release();
    }
  }

  function* lost(first: number, { isWanted, signal }: ScrubOptions): Generator<ScrubStep> {
    while (!signal.aborted) {
      const loss = contents.damaged.take(first, isWanted);
      if (!loss) return;
      yield { kind: 'lost', loss };
    }
  }

  return {
    async *folder(first, options) {
      const { isWanted, signal } = options;
      for (const algorithm of digestAlgorithms) {
        for (let after: Digest | undefined; !signal.aborted; ) {
          const some = (await inventory.within({ algorithm, first }, after, atOnce)).map(
            ({ digest }) => digest,
          );
          for (const digest of some.filter(isWanted)) {
            if (signal.aborted) return;
            yield* check(digest, options);
            yield* lost(first, options);
          }
          if (some.length < atOnce) break;
          after = some.at(-1);
          await turn();
        }
      }
      yield* lost(first, options);
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
