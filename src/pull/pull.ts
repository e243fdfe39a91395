/** The use case: a target is answered from the cache, or from the first endpoint that can, through the cache. */
import type { ByteStream } from '../lib/bytes/byte-stream.ts';
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
}

/** `X-Entrepot-Cache`. */
export type CacheResult = 'hit' | 'joined' | 'fetched' | 'revalidated' | 'stale';

export type Pulled<T> =
  | {
      readonly found: true;
      readonly value: T;
      readonly cache: CacheResult;
      /** endpointKey of the one that gave it, where one was asked now. */
      readonly endpoint?: string | undefined;
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
}
