/**
 * The Catalogue: what images mean. It knows tags, links, lists of upstreams and pins; it knows nothing of files. Replicas may
 * share these facts (`shared/facts.ts`). Of two answers of endpoints for one tag the one with the later time wins; a client's push wins over
 * all that is known here.
 *
 * An image is `registry/repository` as clients mean it. Every method rejects when the index cannot be read or written.
 */
import type { Digest } from '../../oci/digest.ts';
import type { Tag } from '../../oci/reference.ts';
import type { CachedList, CachedTag, Found, ListKind } from '../cache.ts';
import type { EventCause } from './outbox/outbox-event.ts';

/**
 * Where a link comes from: the `endpointKey` of the endpoint that answered for the content, `push` for a client that pushed it,
 * `bundle` for an import, `fill` for a push that only fills the cache. An `endpointKey` always has a slash.
 */
export type Origin = string;

/** What is linked from here is *hosted*: it has no other home, so it is never evicted, and each write of it is durable at once. */
export const hostedOrigins: readonly Origin[] = ['push', 'bundle'];

/** See `hostedOrigins`. */
export function isHosted(origin: Origin): boolean {
  return hostedOrigins.includes(origin);
}

/** An import brought it. It means what the archive said, whatever rules say of pushes. */
export function isImported(origin: Origin): boolean {
  return origin === 'bundle';
}

/** A client pushed or imported it, hosted or not; all else an endpoint gave. */
export function isFromClient(origin: Origin): boolean {
  return isHosted(origin) || origin === 'fill';
}

export interface NewLink {
  readonly image: string;
  readonly origin: Origin;
  /** Of a manifest, as the registry of this image says. What other images say of the same bytes does not change it. */
  readonly mediaType?: string | undefined;
  /** Tags of the image that point to the content from now on, whatever the time of what is known of them. */
  readonly tags?: readonly Tag[] | undefined;
  /** The push of a manifest that this is: an event for the sinks that want it. */
  readonly cause?: EventCause | undefined;
}

/** What a client's request, or a command, deletes. */
export interface Deletion {
  readonly cause: EventCause;
  /** Epoch ms. */
  readonly at: number;
}

/** What a content can be asked for by. */
export interface Names {
  /** Every image that links it. */
  readonly images: readonly string[];
  /** Every `image:tag` that points to it. */
  readonly tags: readonly string[];
  /** Every `[[sync]]` block that selects it: its digest, one of its tags, or the manifest that it is attached to. */
  readonly selectedBy: readonly string[];
}

/** What a stored manifest lists. */
export interface Child {
  readonly digest: Digest;
  /** Bytes, as the parent says. */
  readonly size: number;
  readonly mediaType: string;
  /** Such as `linux/amd64`; only in an index. */
  readonly platform: string | undefined;
  readonly stored: boolean;
}

export interface Catalogue {
  /** The tag as an endpoint last confirmed it, however old. */
  tag(image: string, tag: string): Promise<CachedTag | undefined>;
  /** All tags of the image, sorted by bytes. */
  tags(image: string): Promise<readonly string[]>;
  /** Those of them that are hosted, in the same order. */
  hostedTags(image: string): Promise<readonly string[]>;
  /** Those of them that an import brought. */
  importedTags(image: string): Promise<readonly string[]>;
  /**
   * Points the tag at a manifest. A value with an older `checkedAt` than the known one changes nothing, unless the known one is
   * later than `now` (epoch ms), from a clock that was ahead. What an endpoint says does not move a hosted tag.
   */
  setTag(image: string, tag: string, value: CachedTag, now: number): Promise<void>;
  /** Removes the tag, unless it is hosted, or an endpoint has confirmed it after `at` and not after `now` (both epoch ms). */
  dropTag(image: string, tag: string, at: number, now: number): Promise<void>;
  /** The tag counts as never confirmed from now on: its next use revalidates it. A hosted tag stays as it is. */
  expireTag(image: string, tag: string): Promise<void>;
  /** Removes the tag, hosted or not, by the deletion of a client: an event for the sinks that want it. False where there is none. */
  removeTag(image: string, tag: string, deletion?: Deletion): Promise<boolean>;

  /**
   * Lets the image serve the content, also before the content is stored. `at`: epoch ms. A hosted link stays hosted whatever endpoint
   * answers for the content later.
   */
  link(digest: Digest, link: NewLink, at: number): Promise<void>;
  /** Makes a link of the image hosted. False where the image does not link the content, or no longer. `at`: epoch ms. */
  adopt(image: string, digest: Digest, at: number): Promise<boolean>;
  find(image: string, digest: Digest): Promise<Found>;
  /** Where the image's link comes from; undefined where the image does not link the content. */
  originOf(image: string, digest: Digest): Promise<Origin | undefined>;
  /** All that the image links, stored or only referenced. */
  linkedBy(image: string): Promise<readonly Digest[]>;
  /** Every image that links the content. */
  imagesOf(digest: Digest): Promise<readonly string[]>;
  /** The names of each of the contents, in the same order. */
  namesOf(digests: readonly Digest[]): Promise<readonly Names[]>;
  /**
   * Manifests, stored, in a bucket or on another replica, that the image links and that are attached to `subject`, at most `limit`, in a fixed
   * order from after `after`; from the first one if that is no longer known.
   */
  referrersOf(
    image: string,
    subject: Digest,
    after: Digest | undefined,
    limit: number,
  ): Promise<readonly Digest[]>;
  /** Stored manifests that the image links and that list the content. */
  parentsOf(image: string, digest: Digest): Promise<readonly Digest[]>;
  /** What the manifest lists; empty for a blob and for an unknown digest. */
  children(digest: Digest): Promise<readonly Child[]>;

  list(image: string, kind: ListKind, key: string): Promise<CachedList | undefined>;
  /** All lists together are bounded: the oldest go. */
  setList(image: string, kind: ListKind, key: string, value: CachedList): Promise<void>;
  dropList(image: string, kind: ListKind, key: string): Promise<void>;

  /** Patterns that administrators pinned while the server ran, in the order in which they came. */
  pins(): Promise<readonly string[]>;
  /** Adds the pattern, unless it is there. */
  pin(pattern: string): Promise<void>;
  unpin(pattern: string): Promise<void>;
}
