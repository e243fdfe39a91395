/**
 * What to fetch next. Pure: from the bytes that are present and the fetches under way to the fetch that must be started.
 *
 *      0        here         hole          here      hole            size
 *      |##########|..............|###########|.........................|
 *                   ^wanted       \ a fetch for `wanted` ends here, unless the present range is
 *                                   so small that fetching it again costs less than a new request
 *
 * A fetch ends at the first of: the end that was asked for, bytes that are present, the start of another fetch.
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
  /** Bytes of the whole blob, where known. */
  readonly size: number | undefined;
  /** False where the endpoints are known to ignore ranges: then every byte that a fetch will bring is waited for. */
  readonly ranges: boolean;
}

/** How the byte at `wanted` comes: it is present, a fetch at most `joinDistance` bytes before it brings it, or a new fetch must. */
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
 * stops it and that is not known yet. The answer changes as other fetches start and bytes arrive. Present ranges of up to
 * `refetchThreshold` bytes do not stop a fetch.
 */
export function fetchEnd(
  situation: Pick<Situation, 'present' | 'size'> & { readonly fetches: Iterable<{ readonly start: number }> },
  position: number,
  askedEnd: number | undefined,
  refetchThreshold: number,
): number | undefined {
  let end = Math.min(askedEnd ?? Number.POSITIVE_INFINITY, situation.size ?? Number.POSITIVE_INFINITY);
  for (const fetch of situation.fetches) {
    // That fetch brings what lies ahead of it; what lies behind it is present, or was thrown away with it.
    if (fetch.start > position && fetch.start < end) end = fetch.start;
  }
  const { present } = situation;
  for (
    let range = present.nextRange(position);
    range && range.start < end;
    range = present.nextRange(range.end)
  ) {
    if (range.end >= end || range.end - range.start > refetchThreshold) {
      end = range.start;
      break;
    }
  }
  return Number.isFinite(end) ? end : undefined;
}

/**
 * Where to end a fetch for a reader of [start, end) that waits for `wanted`; undefined: at the blob's end. A reader that begins in
 * the middle and may read to the end often closes early (containerd fetches a layer in parallel that way), and the bytes that
 * are on their way then are lost. So its fetches are steps, each as long as all before it together, and at least `piece` bytes.
 */
export function requestedEndFor(
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
 * Where one more fetch should start on a blob that several fetches work on: at the first byte that is neither present nor on its
 * way, else a piece ahead of the fetch with the most left to do. Undefined where nothing is left to share.
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

/** Whether a blob of which `here` bytes are present is fetched to its end though it has no reader left (`transfer.fill`). */
export function isFilledUp(
  fill: 'always' | 'never' | number,
  here: number,
  size: number | undefined,
): boolean {
  if (typeof fill === 'string') return fill === 'always';
  return here >= fill * (size ?? Number.POSITIVE_INFINITY);
}
