/**
 * Bytes per quota. A content is charged to a quota when every image that links it matches the quota's pattern: evicting content
 * that other images share would free nothing, so it is not charged.
 *
 * The sums are in memory only. After a start, and when a new quota comes, the contents are counted shard by shard in the order of
 * their digests; a content that the count has not reached needs no entry when it changes. Counting, changes and evictions take
 * turns, so each sees the sums and the index as one.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { namePattern } from '../../lib/name-patterns.ts';
import { type Digest, digestAlgorithms } from '../../oci/digest.ts';
import type { Catalogue } from '../index/catalogue.ts';
import type { Inventory, Shard } from '../index/inventory.ts';

export interface QuotaSetting {
  readonly match: string;
  /** Bytes. */
  readonly maxSize: number;
}

export interface Quota {
  readonly match: string;
  /** Bytes, as are the others. */
  maxSize: number;
  bytes: number;
  /** For transfers in flight. */
  reserved: number;
}

/** A change of the links of a content. */
export interface Recharge {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** Images that link it. */
  readonly before: readonly string[];
  /** Empty: it is no longer stored. */
  readonly after: readonly string[];
}

export interface Quotas {
  /** The quotas that a content of all these images is charged to. */
  of(images: readonly string[]): readonly Quota[];
  /** Whether the sums contain the content, or would if it were stored now. */
  counts(digest: Digest): boolean;
  /** Executes `change`, which adds or drops a content or a link, and corrects the sums. */
  update<T>(digest: Digest, change: () => Promise<T>): Promise<T>;
  /** Runs `work` while no sum changes otherwise. It may call `discharge` and `recharge`, not `update`. */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
  /** The content is gone from the quotas that it was charged to. */
  discharge(from: readonly Quota[], bytes: number): void;
  recharge(change: Recharge): void;
  /** Those that hold more than they may. */
  exceeded(): Quota[];
  all(): readonly Quota[];
  /** Puts other quotas in force; one of the same pattern keeps its sums. True: the others need a count. */
  replace(settings: readonly QuotaSetting[]): boolean;
  /** Counts all that is stored, from zero; ends early when `isStopped` says so, or when another count begins. */
  count(isStopped: () => boolean): Promise<void>;
}

export interface QuotasDeps {
  readonly inventory: Pick<Inventory, 'content' | 'within'>;
  readonly catalogue: Pick<Catalogue, 'imagesOf' | 'namesOf'>;
}

/** Contents that are counted in one turn. */
const countedAtOnce = 200;
/** After all digests. */
const end = '~';

/** The sums are right once `count` has resolved. Methods that return a promise reject when the index cannot be read. */
export function createQuotas(deps: QuotasDeps, settings: readonly QuotaSetting[]): Quotas {
  const { inventory, catalogue } = deps;
  let quotas = settings.map(create);
  /** Contents up to this digest are counted. */
  let counted = '';
  let counts = 0;
  let last: Promise<unknown> = Promise.resolve();

  function create({ match, maxSize }: QuotaSetting) {
    const quota: Quota = { match, maxSize, bytes: 0, reserved: 0 };
    return { quota, matches: namePattern([match]) };
  }

  function of(images: readonly string[]): Quota[] {
    if (images.length === 0) return [];
    return quotas.filter(({ matches }) => matches && images.every(matches)).map(({ quota }) => quota);
  }

  function add(to: readonly Quota[], bytes: number): void {
    for (const quota of to) quota.bytes += bytes;
  }

  function exclusively<T>(work: () => Promise<T>): Promise<T> {
    if (quotas.length === 0) return work();
    const mine = last.then(work);
    last = mine.catch(() => {});
    return mine;
  }

  async function charge(digest: Digest): Promise<{ to: readonly Quota[]; bytes: number }> {
    const [content, images] = await Promise.all([inventory.content(digest), catalogue.imagesOf(digest)]);
    return { to: content ? of(images) : [], bytes: content?.size ?? 0 };
  }

  async function countShard(shard: Shard, isOver: () => boolean): Promise<void> {
    const { algorithm, first } = shard;
    for (let after: Digest | undefined; !isOver(); ) {
      const isLast = await exclusively(async () => {
        const some = await inventory.within(shard, after, countedAtOnce);
        const names = await catalogue.namesOf(some.map(({ digest }) => digest));
        if (isOver()) return true;
        for (const [n, { size }] of some.entries()) add(of(names[n]?.images ?? []), size);
        after = some.at(-1)?.digest;
        const isEnd = some.length < countedAtOnce;
        counted = isEnd ? `${algorithm}:${first.toString(16).padStart(2, '0')}${end}` : (after ?? counted);
        return isEnd;
      });
      if (isLast) return;
      await turn();
    }
  }

  return {
    of,
    counts: (digest) => digest <= counted,
    exclusively,
    update(digest, change) {
      if (quotas.length === 0) return change();
      return exclusively(async () => {
        if (digest > counted) return change();
        const before = await charge(digest);
        const result = await change();
        const after = await charge(digest);
        add(before.to, -before.bytes);
        add(after.to, after.bytes);
        return result;
      });
    },
    discharge: (from, bytes) => add(from, -bytes),
    recharge({ digest, size, before, after }) {
      if (digest > counted) return;
      add(of(before), -size);
      add(of(after), size);
    },
    exceeded: () => quotas.map(({ quota }) => quota).filter(({ bytes, maxSize }) => bytes > maxSize),
    all: () => quotas.map(({ quota }) => quota),
    replace(wanted) {
      const known = new Map(quotas.map((one) => [one.quota.match, one]));
      let isAdded = false;
      quotas = wanted.map((setting) => {
        const one = known.get(setting.match);
        known.delete(setting.match);
        isAdded ||= one === undefined;
        if (!one) return create(setting);
        one.quota.maxSize = setting.maxSize;
        return one;
      });
      return isAdded;
    },
    async count(isStopped) {
      counts += 1;
      const mine = counts;
      const isOver = () => mine !== counts || isStopped();
      await exclusively(async () => {
        if (isOver()) return;
        counted = '';
        for (const { quota } of quotas) quota.bytes = 0;
      });
      for (const algorithm of digestAlgorithms) {
        for (let first = 0; first < 256 && quotas.length > 0 && !isOver(); first += 1) {
          await countShard({ algorithm, first }, isOver);
          if (first % 16 === 0) await turn();
        }
      }
      if (!isOver()) counted = end;
    },
  };
}
