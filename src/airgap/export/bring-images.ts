/**
 * Brings each wanted image here as a whole, with what is attached to it, and holds it, so that eviction leaves it alone until it is
 * written. An image that cannot be had is left out as a whole: at the other site its tag could not be served.
 */
import type { Cache } from '../../cache/cache.ts';
import type { CacheAdmin } from '../../cache/cache-admin.ts';
import { attachedTags } from '../../oci/attached-tags.ts';
import type { Digest } from '../../oci/digest.ts';
import { readManifest } from '../../oci/manifest.ts';
import { mediaTypes } from '../../oci/media-types.ts';
import { formatReference, parseTag, referenceName } from '../../oci/reference.ts';
import type { Pull } from '../../pull/pull.ts';
import { verdictText } from '../../pull/verdict-text.ts';
import type { WarmOptions, WarmReference, WarmReport } from '../../pull/warm-image.ts';
import type { ImageName } from '../../routing/target.ts';
import type { Trail } from '../../upstream/outcome.ts';
import type { Verdict } from '../../upstream/upstream.ts';
import type { BundleRef } from '../bundle-manifest.ts';
import { checkCacheRoom } from './cache-room.ts';
import type { ExportedImage } from './export-request.ts';
import { type ImageContent, imageContent } from './image-content.ts';
import type { WantedImage } from './wanted-images.ts';

export interface BringDeps {
  readonly cache: Pick<Cache, 'find' | 'manifest' | 'tag' | 'tags'>;
  readonly admin: Pick<CacheAdmin, 'hold' | 'bound' | 'usage'>;
  readonly pull: Pick<Pull, 'tags' | 'referrers'>;
  readonly warm: (reference: WarmReference, options: WarmOptions) => Promise<WarmReport>;
}

/** A manifest or a blob, and an image that links it. */
export interface BroughtContent {
  readonly size: number;
  readonly image: string;
  /** Of a manifest. */
  readonly mediaType?: string;
  readonly bytes?: Uint8Array;
}

export interface Brought {
  readonly refs: readonly BundleRef[];
  readonly images: readonly ExportedImage[];
  readonly contents: ReadonlyMap<Digest, BroughtContent>;
  readonly leftOut: ReadonlySet<Digest>;
  readonly failures: readonly string[];
  readonly notes: readonly string[];
  /** Ends the hold. */
  release(): void;
}

export interface BringOptions {
  readonly referrers: boolean;
  /** Takes what is here, fetches nothing. */
  readonly isDryRun: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (at: { image: number; reference: string; done: number; size: number }) => void;
}

/** Rejects with the reason of `signal`, with EntrepotError BUNDLE_UNWRITABLE where the cache cannot hold all at once, and with bugs. */
export async function bringImages(
  deps: BringDeps,
  wanted: readonly WantedImage[],
  options: BringOptions,
): Promise<Brought> {
  const bringing = new Bringing(deps, options);
  if (!options.isDryRun) await checkCacheRoom(deps, wanted, options);
  try {
    for (const [at, one] of wanted.entries()) await bringing.take(one, at + 1);
    return bringing.result();
  } catch (error) {
    bringing.release();
    throw error;
  }
}

class Bringing {
  readonly #deps: BringDeps;
  readonly #options: BringOptions;
  readonly #refs = new Map<string, BundleRef>();
  readonly #images: ExportedImage[] = [];
  readonly #contents = new Map<Digest, BroughtContent>();
  readonly #leftOut = new Set<Digest>();
  readonly #failures: string[] = [];
  readonly #notes: string[] = [];
  readonly #holds: (() => void)[] = [];

  constructor(deps: BringDeps, options: BringOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  async take({ reference, platforms }: WantedImage, at: number): Promise<void> {
    const brought = await this.#bring(reference, platforms, at);
    if (!brought) return;
    const { digest, content } = brought;
    const missingBytes = [...content.missing.values()].reduce((sum, size) => sum + size, 0);
    this.#images.push({ reference: formatReference(reference), digest, missingBytes });
    if (this.#options.referrers) await this.#attached(reference, content, at);
  }

  result(): Brought {
    for (const digest of this.#contents.keys()) this.#leftOut.delete(digest);
    return {
      refs: [...this.#refs.values()],
      images: this.#images,
      contents: this.#contents,
      leftOut: this.#leftOut,
      failures: this.#failures,
      notes: this.#notes,
      release: () => this.release(),
    };
  }

  release(): void {
    for (const end of this.#holds.splice(0)) end();
  }

  /** One image, whole and held; undefined where it cannot be had, which is a failure. */
  async #bring(
    reference: WarmReference,
    platforms: readonly string[],
    at: number,
  ): Promise<{ digest: Digest; content: ImageContent } | undefined> {
    const { signal, isDryRun, onProgress } = this.#options;
    const { cache, admin, warm } = this.#deps;
    signal.throwIfAborted();
    const name = formatReference(reference);
    const image = referenceName(reference);
    onProgress({ image: at, reference: name, done: 0, size: 0 });
    const tell = ({ done, size }: { done: number; size: number }) =>
      onProgress({ image: at, reference: name, done, size });
    const warmed = isDryRun ? undefined : await warm(reference, { platforms, signal, onProgress: tell });
    signal.throwIfAborted();
    if (warmed && warmed.failures.length > 0) {
      this.#failures.push(...warmed.failures.map((why) => `${name} is left out: ${why}`));
      return undefined;
    }
    const known = reference.digest ?? (reference.tag && (await cache.tag(image, reference.tag))?.digest);
    const digest = warmed ? warmed.digest : known;
    if (!digest) {
      this.#notes.push(`${name} is not here: its size is known only once it is fetched`);
      return undefined;
    }
    const seen = await imageContent(cache, image, { root: digest, platforms });
    this.#holds.push(admin.hold([...seen.manifests.keys(), ...seen.blobs.keys()]));
    // What was evicted before it was held is missing now.
    const content = await imageContent(cache, image, { root: digest, platforms });
    const problem = content.problem ?? (isDryRun ? undefined : missingText(content));
    if (problem !== undefined) {
      this.#failures.push(`${name} is left out: ${problem}`);
      return undefined;
    }
    this.#keep(image, content);
    this.#name({ name: image, tag: reference.tag ?? null, digest });
    return { digest, content };
  }

  #keep(image: string, { manifests, blobs, leftOut }: ImageContent): void {
    for (const [digest, { mediaType, bytes }] of manifests) {
      this.#contents.set(digest, { image, mediaType, bytes, size: bytes.length });
    }
    for (const [digest, size] of blobs) {
      if (!this.#contents.has(digest)) this.#contents.set(digest, { image, size });
    }
    for (const digest of leftOut) this.#leftOut.add(digest);
  }

  #name(ref: BundleRef): void {
    this.#refs.set(`${ref.name} ${ref.tag ?? ref.digest}`, ref);
  }

  /** Signatures, and what else has an image as its subject; what is attached to those, too. */
  async #attached(reference: WarmReference, { manifests }: ImageContent, at: number): Promise<void> {
    const { registry, repository } = reference;
    const image = { registry, repository, name: referenceName(reference) };
    const tags = await this.#tagsOf(image);
    const subjects = new Set(manifests.keys());
    const asked = new Set<string>();
    for (const subject of subjects) {
      const found: readonly WarmReference[] = [
        ...(await this.#referrersOf(image, subject)).map((digest) => ({ registry, repository, digest })),
        ...attachedTags(tags, [subject]).flatMap((text) => {
          const tag = parseTag(text);
          return tag ? [{ registry, repository, tag }] : [];
        }),
      ];
      for (const one of found) {
        const name = formatReference(one);
        if (asked.has(name)) continue;
        asked.add(name);
        const brought = await this.#bring(one, [], at);
        // A Set goes on with what is added while it is read.
        for (const digest of brought?.content.manifests.keys() ?? []) subjects.add(digest);
      }
    }
  }

  async #tagsOf(image: ImageName): Promise<readonly string[]> {
    const here = await this.#deps.cache.tags(image.name);
    if (this.#options.isDryRun) return here;
    const listed = await this.#deps.pull.tags({ kind: 'tags', image });
    if (listed.found) return [...new Set([...here, ...listed.value.tags])];
    this.#unlisted(`the tags of ${image.name}, which name signatures,`, listed);
    return here;
  }

  async #referrersOf(image: ImageName, subject: Digest): Promise<readonly Digest[]> {
    if (this.#options.isDryRun) return [];
    const digests: Digest[] = [];
    let after: Digest | undefined;
    do {
      this.#options.signal.throwIfAborted();
      const page = await this.#deps.pull.referrers({
        kind: 'referrers',
        image,
        subject,
        ...(after && { after }),
      });
      if (!page.found) {
        this.#unlisted(`the referrers of ${subject}`, page);
        return digests;
      }
      const index = readManifest(page.value.bytes, mediaTypes.ociIndex);
      if ('children' in index) digests.push(...index.children.map(({ digest }) => digest));
      after = page.value.next;
    } while (after);
    return digests;
  }

  /** A registry that has no such list has nothing attached. Offline, what is here is all that can be had. */
  #unlisted(what: string, { verdict, trail }: { readonly verdict: Verdict; readonly trail: Trail }): void {
    if (verdict.kind === 'notFound') return;
    const text = `${what} could not be listed: ${verdictText(verdict, trail)}`;
    if (verdict.kind === 'offline') this.#notes.push(text);
    else this.#failures.push(text);
  }
}

function missingText({ missing }: ImageContent): string | undefined {
  const [first] = missing.keys();
  if (first === undefined) return undefined;
  const others = missing.size === 1 ? '' : ` and ${missing.size - 1} more`;
  return `the cache has no room to keep it whole: ${first}${others} went again. Raise cache.max_size, or export fewer images at once`;
}
