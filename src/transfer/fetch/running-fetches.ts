/** The fetches under way for one blob: which of them will bring a byte, where each has to stop, where one more would help. */
import type { Endpoint } from '../../upstream/endpoint.ts';
import type { Trail } from '../../upstream/outcome.ts';
import type { Verdict } from '../../upstream/upstream.ts';
import type { BlobSize } from '../blob-size.ts';
import type { FileWriter } from '../file/file-writer.ts';
import type { SparseFile } from '../file/sparse-file.ts';
import type { TransferLimits } from '../limits.ts';
import type { Fetcher } from './fetcher.ts';
import { type FetchUnderWay, fetchEnd, nextPiece, type Plan, planFetch } from './plan.ts';

/** Whether the bytes that a reader begins with can be had. */
export type Opening =
  | { readonly ok: true; readonly endpoint: Endpoint | undefined; readonly trail: Trail }
  | { readonly ok: false; readonly verdict: Verdict; readonly trail: Trail };

/** The opening where no bytes have to be fetched. */
export const nothingMore: Opening = { ok: true, endpoint: undefined, trail: [] };
/** The opening of a transfer that ends. */
export const stopped: Opening = { ok: false, verdict: { kind: 'unavailable' }, trail: [] };

export interface Fetch {
  readonly fetcher: Fetcher;
  /** Takes its bytes to the disk; undefined until the first ones come. */
  writer: FileWriter | undefined;
  /** Why its body is paused: memory is short, or its pace allows no more yet. The body goes on when neither is left. */
  readonly waitsFor: Set<'memory' | 'pace'>;
  /**
   * Settled by the first headers, or when there will be none. Rejects on an unexpected error, or REWRITE_INVALID (the image cannot
   * be rewritten to an endpoint).
   */
  readonly opening: Promise<Opening>;
  settle(opening: Opening): void;
  fail(error: unknown): void;
}

/** One per blob; `Fetches` adds to `all` and deletes from it. */
export class RunningFetches {
  readonly all = new Set<Fetch>();
  /** False once an endpoint ignored a range: the bytes of a fetch under way are waited for then, and it runs to the end. */
  hasRanges = true;
  readonly #file: Pick<SparseFile, 'present'>;
  readonly #size: BlobSize;
  readonly #limits: TransferLimits;

  constructor(file: Pick<SparseFile, 'present'>, size: BlobSize, limits: TransferLimits) {
    this.#file = file;
    this.#size = size;
    this.#limits = limits;
  }

  /** How the byte at `wanted` comes. */
  plan(wanted: number): Plan {
    const { joinDistance } = this.#limits;
    const farthest = this.hasRanges ? joinDistance : Number.POSITIVE_INFINITY;
    // To know where one fetch stops costs a look at all others, so only those that may bring the byte are looked at.
    const near: Fetch[] = [];
    for (const fetch of this.all) {
      const distance = wanted - fetch.fetcher.position;
      if (distance >= 0 && distance <= farthest) near.push(fetch);
    }
    return planFetch(this.#situation(near), wanted, joinDistance);
  }

  /** The fetch that will bring the byte at `offset` if there were no `except`: the nearest one before it. */
  arriving(offset: number, except?: Fetch): Fetch | undefined {
    return [...this.all]
      .filter((fetch) => fetch !== except && fetch.fetcher.position <= offset)
      .sort((a, b) => b.fetcher.position - a.fetcher.position)
      .find((fetch) => offset < (this.stopAt(fetch, except) ?? Number.POSITIVE_INFINITY));
  }

  /** Where one more fetch should start, if several may work on the blob. */
  nextPiece(): number | undefined {
    return nextPiece(this.#situation(this.all), this.#limits.piece);
  }

  /** Where the fetch has to stop as things are now; undefined: at the blob's unknown end. */
  stopAt(fetch: Fetch, except?: Fetch): number | undefined {
    const others: Fetcher[] = [];
    for (const other of this.all) if (other !== fetch && other !== except) others.push(other.fetcher);
    const threshold = this.hasRanges ? this.#limits.refetchThreshold : Number.POSITIVE_INFINITY;
    const situation = { present: this.#file.present, fetches: others, size: this.#size.value };
    const { position, requestedEnd } = fetch.fetcher;
    return fetchEnd(situation, position, this.hasRanges ? requestedEnd : undefined, threshold);
  }

  #situation(some: Iterable<Fetch>) {
    const fetches: FetchUnderWay[] = [];
    for (const fetch of some) {
      const { start, position } = fetch.fetcher;
      fetches.push({ start, position, end: this.stopAt(fetch) });
    }
    return { present: this.#file.present, fetches, size: this.#size.value, ranges: this.hasRanges };
  }
}
