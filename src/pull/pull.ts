/** The use case: a target is answered from the cache, or from the first endpoint that can, through the cache. */
import type { ByteStream } from '../lib/bytes/byte-stream.ts';
import type { Pace } from '../lib/flow/pace.ts';
import type { Digest } from '../oci/digest.ts';
import type { BlobTarget, ManifestTarget, ReferrersTarget, TagsTarget } from '../routing/target.ts';
import type { Trail } from '../upstream/outcome.ts';
import type { Verdict } from '../upstream/upstream.ts';

export interface Pull {
  manifest(target: ManifestTarget): Promise<Pulled<ManifestContent>>;
  /** What HEAD needs, at the least cost: a manifest that names the blob is enough. */
  headBlob(target: BlobTarget): Promise<Pulled<BlobHead>>;
  blob(target: BlobTarget): Promise<Pulled<BlobContent>>;
  tags(target: TagsTarget): Promise<Pulled<TagList>>;
  referrers(target: ReferrersTarget): Promise<Pulled<ReferrersContent>>;
  /** Brings one manifest or blob into the cache, verified and stored (`ensure.ts`). Rejects once `signal` is aborted. */
  ensure(target: ManifestTarget | BlobTarget, options?: EnsureOptions): Promise<Ensured>;
  /** The target may have changed: its next use asks the endpoints. Nothing goes, and what is cached stands in where none answers. */
  expire(target: ManifestTarget | TagsTarget | ReferrersTarget): Promise<void>;
}

export interface EnsureOptions {
  readonly signal?: AbortSignal | undefined;
  /** Gets the bytes of the blob that are here so far, about once in each MiB. */
  readonly tell?: ((present: number) => void) | undefined;
  /** For jobs: awaited before a transfer begins. No client waits for a transfer that only jobs use. */
  readonly turn?: (() => Promise<void>) | undefined;
  /** For jobs: keeps the transfer to a rate for as long as no client uses it. */
  readonly pace?: Pace | undefined;
}

export type Ensured =
  | {
      readonly ok: true;
      /** `here`: this image could serve it from the cache before. */
      readonly how: 'here' | 'fetched';
      readonly digest: Digest;
      /** Bytes. */
      readonly size: number;
      readonly trail: Trail;
    }
  | {
      readonly ok: false;
      /** `notKept`: an endpoint has it, but the cache has no room for it, or the disk does not take it. */
      readonly how: 'missing' | 'notKept';
      /** In one line, for people. */
      readonly reason: string;
      /** Undefined where an endpoint began to give it. */
      readonly verdict?: Verdict;
      readonly trail: Trail;
    };

/** `X-Entrepot-Cache`. */
export type CacheResult = 'hit' | 'joined' | 'fetched' | 'revalidated' | 'stale';

export type Pulled<T> =
  | {
      readonly found: true;
      readonly value: T;
      readonly cache: CacheResult;
      /** endpointKey of the one that gave it, where one was asked now. */
      readonly endpoint?: string | undefined;
      /** Epoch ms at which an endpoint confirmed what is here; undefined where that was now, or does not matter. */
      readonly checkedAt?: number | undefined;
      readonly trail: Trail;
    }
  | {
      readonly found: false;
      readonly verdict: Verdict;
      /** A notFound from earlier: no endpoint can say now whether it still holds. */
      readonly cache?: 'stale';
      readonly trail: Trail;
    };

export interface ManifestContent {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

export interface BlobHead {
  readonly digest: Digest;
  /** Undefined if no endpoint and no manifest tells. */
  readonly size: number | undefined;
}

export interface BlobContent extends BlobHead {
  /** Bytes from `start` to before `end` (all that is there, if the size is unknown and `end` is not given). */
  open(start: number, end?: number): ByteStream;
  /** When the answer is over, or will not be given. */
  close(): void;
}

export interface TagList {
  readonly tags: readonly string[];
  /** More follow after the last one. */
  readonly more: boolean;
}

export interface ReferrersContent {
  /** An OCI index. */
  readonly bytes: Uint8Array;
  readonly filtered: boolean;
  /** More follow after this one. */
  readonly next?: Digest | undefined;
}
