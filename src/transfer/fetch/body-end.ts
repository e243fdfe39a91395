/**
 * What the end of a response body means for the fetch. Pure. All offsets are bytes of the blob, every `end` is exclusive.
 *
 *      start                      position      received        announcedEnd
 *        |##########################|--------------|..................|
 *                 taken                 not wanted        missing: the endpoint broke its word
 */
export type BodyEnd =
  /** The fetch has the bytes that it wanted. */
  | { readonly kind: 'reached' }
  /** The body ended where nothing had announced the blob's size: this is the blob's end. */
  | { readonly kind: 'eof' }
  | { readonly kind: 'broke'; readonly fault: 'invalid' | 'unreachable'; readonly reason: string };

export interface BodyProgress {
  /** Of the first byte in the body. */
  readonly start: number;
  /** Where the body ends according to its headers. */
  readonly announcedEnd: number | undefined;
  /** The end that the request asked for; undefined: the blob's end. */
  readonly askedEnd: number | undefined;
  /** Where the fetch has to stop as things are now; undefined: at the blob's end, which is not known. */
  readonly stop: number | undefined;
  /** Of the next byte that the fetch wants. */
  readonly position: number;
  /** Of the next byte in the body. */
  readonly received: number;
}

/** Judges a body that came to its end. `isOfNothing`: the blob's digest is that of no bytes. */
export function judgeEnd(progress: BodyProgress, isOfNothing: boolean): BodyEnd {
  const { start, announcedEnd, askedEnd, stop, position, received } = progress;
  // A part that was asked for ends where it should, though the fetch may have farther to go by now.
  const known = Math.min(announcedEnd ?? askedEnd ?? stop ?? 0, stop ?? Number.POSITIVE_INFINITY);
  // An earlier endpoint gave the bytes before `position`, so the blob is at least that long.
  const expected = Math.max(position, known);
  if (received < expected) {
    const missing = expected - received;
    return broke('invalid', `sent too little: ended ${missing} bytes before byte ${expected}`);
  }
  if (position === start && (position > 0 || !isOfNothing)) return broke('invalid', 'sent nothing');
  // Bytes after the end that was asked for show that the whole came instead, and that this is its end.
  const isWhole = askedEnd === undefined || position > askedEnd;
  return { kind: isWhole && stop === undefined ? 'eof' : 'reached' };
}

/** Judges a body that broke off; `reason` is the connection's. */
export function judgeFailure({ stop, position }: BodyProgress, reason: string): BodyEnd {
  if (stop !== undefined && position >= stop) return { kind: 'reached' };
  return broke('unreachable', reason);
}

/** Judges a body of which `bytes` came in `timeout` ms. */
export function judgeStall(bytes: number, timeout: number): BodyEnd {
  return broke('unreachable', `stalled: ${bytes} bytes in ${timeout / 1000} s`);
}

function broke(fault: 'invalid' | 'unreachable', reason: string): BodyEnd {
  return { kind: 'broke', fault, reason };
}
