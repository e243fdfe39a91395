/**
 * What to fetch next. Pure: from what is here and who is fetching to what must be started.
 *
 *      0        here         hole          here      hole            size
 *      |##########|..............|###########|.........................|
 *                   ^wanted       \ a fetch for `wanted` ends here, unless the island is so
 *                                   small that fetching it again costs less than a new request
 *
 * A fetch ends at the first of: the end that was asked for, bytes that are here, the start of another fetch.
 */
import type { OpenRange } from '../../lib/bytes/byte-range.ts';
import type { RangeSet } from '../file/range-set.ts';

/** A fetch under way: it started at `start`, has come to `position`, and will stop at `end` where that is known. */
export interface FetchUnderWay {
  readonly start: number;
  readonly position: number;
  readonly end: number | undefined;
}

export type Plan = 'present' | 'wait' | 'fetch';

export interface Situation {
  readonly present: RangeSet;
  readonly fetches: Iterable<FetchUnderWay>;
  /** Of the whole blob, where known. */
  readonly size: number | undefined;
  /** False where the endpoints are known to ignore ranges: then whatever is on its way is waited for. */
  readonly ranges: boolean;
}

/** How the byte at `wanted` is to be had. */
export function planFetch(situation: Situation, wanted: number, joinDistance: number): Plan {
  if (situation.present.has(wanted)) return 'present';
  for (const fetch of situation.fetches) {
    const arrives = fetch.position <= wanted && (fetch.end === undefined || wanted < fetch.end);
    if (arrives && (!situation.ranges || wanted - fetch.position <= joinDistance)) return 'wait';
  }
  return 'fetch';
}

/**
 * Where a fetch that is at `position` has to stop, never later than `askedEnd`; undefined where only the blob's end
 * stops it and nobody knows that yet. Asked again and again, as others start and bytes arrive.
 */
export function fetchEnd(
  situation: Pick<Situation, 'present' | 'size'> & { readonly fetches: Iterable<{ readonly start: number }> },
  position: number,
  askedEnd: number | undefined,
  passOver: number,
): number | undefined {
  let end = Math.min(askedEnd ?? Number.POSITIVE_INFINITY, situation.size ?? Number.POSITIVE_INFINITY);
  for (const fetch of situation.fetches) {
    // What that fetch has behind it is here or was dropped with it; what it has before it is its own.
    if (fetch.start > position && fetch.start < end) end = fetch.start;
  }
  const { present } = situation;
  for (
    let island = present.nextRange(position);
    island && island.start < end;
    island = present.nextRange(island.end)
  ) {
    if (island.end >= end || island.end - island.start > passOver) {
      end = island.start;
      break;
    }
  }
  return Number.isFinite(end) ? end : undefined;
}

/**
 * How far to fetch for a reader of [start, end) who waits for `wanted`; undefined: to the blob's end. Who begins in the middle and
 * may read to the end often closes early (containerd fetches a layer in parallel that way), and bytes that are on their way
 * then are lost: such a reader is fetched for in steps, each as long as all before it together.
 */
export function wishOf(
  { start, end }: OpenRange,
  wanted: number,
  size: number | undefined,
  piece: number,
): number | undefined {
  const isOpenEnded = end === undefined || end === size;
  if (start === 0 || !isOpenEnded) return end;
  return Math.min(end ?? Number.POSITIVE_INFINITY, wanted + Math.max(piece, wanted - start));
}

/**
 * Where one more fetcher should start on a blob that several work on: at the first byte that is neither here nor on its
 * way, else a piece ahead of the fetch with the most before it. Undefined where there is nothing left to share.
 */
export function nextPiece(situation: Situation, piece: number): number | undefined {
  const { present, size } = situation;
  if (size === undefined || !situation.ranges) return undefined;
  const fetches = [...situation.fetches].sort((a, b) => a.position - b.position);
  let offset = present.firstHole(0);
  for (const fetch of fetches) {
    const end = fetch.end ?? size;
    if (fetch.position <= offset && offset < end) offset = present.firstHole(end);
  }
  if (offset < size) return offset;
  let split: number | undefined;
  let most = 2 * piece;
  for (const fetch of fetches) {
    const left = (fetch.end ?? size) - fetch.position;
    if (left >= most) {
      most = left;
      split = fetch.position + piece;
    }
  }
  return split === undefined || present.has(split) ? undefined : split;
}

/** Whether a blob of which `here` bytes have come is fetched to its end though nobody reads it any more (`transfer.fill`). */
export function isFilledUp(
  fill: 'always' | 'never' | number,
  here: number,
  size: number | undefined,
): boolean {
  if (typeof fill === 'string') return fill === 'always';
  return here >= fill * (size ?? Number.POSITIVE_INFINITY);
}
