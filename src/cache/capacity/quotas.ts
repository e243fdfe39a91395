/**
 * Bytes per quota. A content is charged to a quota when every image that links it matches the quota's pattern:
 * what is shared with others would not be freed, so it is not charged. Nothing is stored; after a start, and when a new
 * quota comes, the contents are counted in slices, and until a row was counted its changes need no entry.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { namePattern } from '../../lib/name-patterns.ts';
import { type Digest, type DigestAlgorithm, digestAlgorithms } from '../../oci/digest.ts';
import type { IndexStore } from '../index/index-store.ts';

export interface QuotaSetting {
  readonly match: string;
  readonly maxSize: number;
}

export interface Quota {
  readonly match: string;
  maxSize: number;
  bytes: number;
  /** For transfers in flight. */
  reserved: number;
}

/** A content that is linked by other images than before. */
export interface Recharge {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly before: readonly string[];
  /** Empty: it is no longer stored. */
  readonly after: readonly string[];
}

export interface Quotas {
  /** The quotas that what all these images link is charged to. */
  of(images: readonly string[]): readonly Quota[];
  /** The quotas that the content was counted for, or would be if it came now. */
  chargedTo(digest: Digest): readonly Quota[];
  /** Does `change`, which adds a content or a link, and corrects the sums. */
  update(digest: Digest, change: () => void): void;
  /** The content is gone from the quotas that it was charged to. */
  discharge(from: readonly Quota[], size: number): void;
  /** The links of a stored content have changed. */
  recharge(change: Recharge): void;
  /** Those that hold more than they may. */
  exceeded(): Quota[];
  all(): readonly Quota[];
  /** Puts other quotas in force; one of the same pattern goes on with its sums. True: the others want a count. */
  replace(settings: readonly QuotaSetting[]): boolean;
  /** Counts all that is stored, from zero; ends early when `isStopped` says so, or when another count begins. */
  count(isStopped: () => boolean): Promise<void>;
}

const countedAtOnce = 500;
/** After all digests. */
const end = '~';

/** After all digests that begin with the byte `first`. */
const endOf = (algorithm: DigestAlgorithm, first: number) =>
  `${algorithm}:${first.toString(16).padStart(2, '0')}${end}`;

export function createQuotas(deps: { index: IndexStore }, settings: readonly QuotaSetting[]): Quotas {
  const { index } = deps;
  let quotas = settings.map(create);
  /** Contents up to this digest are counted. */
  let counted = '';
  let counts = 0;

  function create({ match, maxSize }: QuotaSetting) {
    const quota: Quota = { match, maxSize, bytes: 0, reserved: 0 };
    return { quota, matches: namePattern([match]) };
  }

  function of(images: readonly string[]): Quota[] {
    if (images.length === 0) return [];
    return quotas.filter(({ matches }) => matches && images.every(matches)).map(({ quota }) => quota);
  }

  const isCounted = (digest: Digest) => digest <= counted;
  const matching = (digest: Digest) => of(index.imagesOf(digest));

  function entry(digest: Digest): { charged: readonly Quota[]; size: number } {
    const content = quotas.length === 0 ? undefined : index.content(digest);
    if (quotas.length === 0 || (content && !isCounted(digest))) return { charged: [], size: 0 };
    return { charged: matching(digest), size: content?.size ?? 0 };
  }

  function add(to: readonly Quota[], bytes: number): void {
    for (const quota of to as Quota[]) quota.bytes += bytes;
  }

  return {
    of,
    chargedTo: (digest) => entry(digest).charged,
    update(digest, change) {
      const before = entry(digest);
      change();
      const after = entry(digest);
      add(before.charged, -before.size);
      add(after.charged, after.size);
    },
    discharge: (from, size) => add(from, -size),
    recharge({ digest, size, before, after }) {
      if (!isCounted(digest)) return;
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
      counted = '';
      for (const { quota } of quotas) quota.bytes = 0;
      for (const algorithm of digestAlgorithms) {
        for (let first = 0; first < 256 && quotas.length > 0; first += 1) {
          for (let after: Digest | undefined; !isOver(); ) {
            const rows = index.storedIn(algorithm, first, after, countedAtOnce);
            for (const { digest, size } of rows) add(matching(digest), size);
            after = rows.at(-1)?.digest;
            const isEnd = rows.length < countedAtOnce;
            counted = isEnd || !after ? endOf(algorithm, first) : after;
            if (isEnd) break;
            await turn();
          }
          if (first % 16 === 0) await turn();
        }
      }
      if (!isOver()) counted = end;
    },
  };
}
