/** Disk use of the cache: in all, and by registry, repository and quota. */
import type { CacheAdmin } from '../cache/cache-admin.ts';
import { hostOf } from '../oci/reference.ts';
import type { BucketUsage } from '../placement/bucket-usage.ts';

export interface Usage {
  /** Bytes of stored content. Content that several images share is counted once. */
  readonly bytes: number;
  /** Stored blobs and manifests. */
  readonly contents: number;
  readonly manifests: number;
  /** Bytes that running transfers and partial downloads take. */
  readonly reserved: number;
  /** Of `bytes` and `contents`, what was pushed or imported. */
  readonly hosted: { readonly bytes: number; readonly contents: number };
  /** Blobs on their way in by pushes, and the bytes of them that have come. `reserved` has their bytes, too. */
  readonly uploads: UploadsNow;
  /** `cache.max_size`, in bytes. */
  readonly maxSize: number | null;
  /** In these two, shared content counts for each registry and repository that has it. */
  readonly registries: readonly UsageOf[];
  readonly repositories: readonly UsageOf[];
  /** Nearest first. */
  readonly buckets: readonly BucketUsage[];
  readonly quotas: readonly { readonly match: string; readonly maxSize: number; readonly bytes: number }[];
  /** Null without `[cluster]`, and without `[facts]`. */
  readonly cluster: ClusterUsage | null;
  readonly facts: FactsUsage | null;
}

/** What a replica has besides its cache. */
export interface BesideCache {
  readonly uploads: UploadsNow;
  readonly buckets: readonly BucketUsage[];
  readonly cluster: ClusterUsage | null;
  readonly facts: FactsUsage | null;
}

/** Replicas that share what they fetch. */
export interface ClusterUsage {
  /** Base URLs. */
  readonly self: string;
  readonly members: readonly string[];
  /** Of 256: those that this replica owns. */
  readonly shards: number;
}

export interface FactsUsage {
  /** The database can be used. */
  readonly connected: boolean;
  /** Facts that are not in the database yet. */
  readonly waiting: number;
  /** Seconds since the database had nothing that is not known here; null: never yet. */
  readonly behind: number | null;
}

export interface UploadsNow {
  readonly uploads: number;
  readonly bytes: number;
}

export interface UsageOf {
  readonly name: string;
  readonly bytes: number;
  readonly contents: number;
  readonly tags: number;
}

/** Counts image by image, without holding up other work. */
export async function measureUsage(cache: CacheAdmin, beside: BesideCache): Promise<Usage> {
  const repositories: UsageOf[] = [];
  const registries = new Map<string, UsageOf>();
  for await (const { image, bytes, contents, tags } of cache.eachImage()) {
    repositories.push({ name: image, bytes, contents, tags });
    const name = hostOf(image);
    const sum = registries.get(name) ?? { name, bytes: 0, contents: 0, tags: 0 };
    registries.set(name, {
      name,
      bytes: sum.bytes + bytes,
      contents: sum.contents + contents,
      tags: sum.tags + tags,
    });
  }
  const { maxSize, quotas, ...totals } = cache.usage();
  return {
    ...totals,
    ...beside,
    maxSize: maxSize ?? null,
    registries: [...registries.values()],
    repositories,
    quotas,
  };
}
