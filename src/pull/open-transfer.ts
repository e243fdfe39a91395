/**
 * A blob from its transfer, which is joined or started. Once it is open, the link is looked up: only an image that is linked by then
 * gets the bytes. Its own endpoints have linked it if they gave the blob; else they are asked.
 *
 * Some endpoints take long for their first byte, and containerd waits 30 s for headers. So the answer begins without them after
 * `headersBy`, if a manifest tells the size. A failure after that breaks the connection.
 */
import type { Cache, KnownDescriptor } from '../cache/cache.ts';
import type { OpenRange } from '../lib/bytes/byte-range.ts';
import type { ByteStream } from '../lib/bytes/byte-stream.ts';
import type { Clock } from '../lib/clock.ts';
import type { Digest } from '../oci/digest.ts';
import type { BlobTarget, RangeSpec } from '../routing/target.ts';
import type { ByteSource } from '../transfer/fetch/byte-source.ts';
import type { OpenedTransfer, TransferRequest, Transfers } from '../transfer/transfers.ts';
import { endpointKey } from '../upstream/endpoint.ts';
import type { ConfirmBlob } from './confirm-blob.ts';
import type { NegativeCache } from './negative-cache.ts';
import type { BlobContent, Pulled } from './pull.ts';

export interface OpenTransferDeps {
  readonly cache: Pick<Cache, 'find'>;
  readonly transfers: Transfers;
  readonly clock: Clock;
  readonly absences: NegativeCache;
  /** ms without an answer after which the answer to a client begins. */
  readonly headersBy: number;
}

/** What is known of the blob before its transfer is asked. */
export interface KnownBlob {
  readonly source: ByteSource;
  readonly described: KnownDescriptor | undefined;
  /** The best guess at the bytes of the blob, to find the first bytes of a range. */
  readonly size: number | undefined;
  /** Bytes as the image's own endpoints have told when they confirmed the blob. */
  readonly confirmed: number | undefined;
  readonly isLinked: boolean;
}

const resultOf = { started: 'fetched', joined: 'joined', verified: 'hit' } as const;

/** The range that is read first, and whether a job and no client reads it, at which pace. */
export type AdmitBlob = (
  target: BlobTarget,
  known: KnownBlob,
  use: OpenRange & Pick<TransferRequest, 'isForJob' | 'mustKeep' | 'pace'>,
) => Promise<OpenedTransfer>;

export interface OpenTransfer {
  /** Joins or starts the transfer, for an image that is linked by then. */
  readonly admit: AdmitBlob;
  /** The same, as an answer to a client. */
  answer(target: BlobTarget, known: KnownBlob): Promise<Pulled<BlobContent>>;
}

/** Both functions reject with bugs, and with REWRITE_INVALID of the configuration. */
export function createOpenTransfer(deps: OpenTransferDeps, confirm: ConfirmBlob): OpenTransfer {
  const { cache, transfers, clock, absences } = deps;

  const admit: AdmitBlob = async ({ image, digest }, known, use) => {
    const { source, described, confirmed, isLinked } = known;
    const opened = await transfers.open({
      digest,
      source,
      size: described?.size,
      confirmed,
      isLinked,
      ...use,
      prefer: described?.endpoint,
    });
    if (!opened.ok) {
      if (opened.verdict.kind === 'notFound') absences.add(image.name, digest, opened.trail);
      return opened;
    }
    let isAdmitted = false;
    try {
      if ((await cache.find(image.name, digest)).linked) {
        isAdmitted = true;
        return opened;
      }
      // All of it was left by an earlier run, and the link of that run is gone.
      const asked = await confirm(image, digest, described);
      isAdmitted = asked.found;
      if (asked.found) return opened;
      if (asked.verdict.kind === 'notFound') absences.add(image.name, digest, asked.trail);
      return { ok: false, verdict: asked.verdict, trail: asked.trail };
    } finally {
      if (!isAdmitted) opened.close();
    }
  };

  function isOverdue(opening: Promise<unknown>): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = clock.after(deps.headersBy, () => resolve(true));
      const settle = (): void => {
        timer.cancel();
        resolve(false);
      };
      opening.then(settle, settle);
    });
  }

  async function answer(target: BlobTarget, known: KnownBlob): Promise<Pulled<BlobContent>> {
    const { digest } = target;
    const { described } = known;
    const opening = admit(target, known, firstRange(target.ranges, known.size));
    // Headers are a proof for a peer: they wait until an endpoint has given the blob.
    if (described && !target.byPeer && (await isOverdue(opening))) {
      return {
        found: true,
        value: lateContent(digest, described.size, opening),
        cache: 'fetched',
        trail: [],
      };
    }
    const opened = await opening;
    const { trail } = opened;
    if (!opened.ok) return { found: false, verdict: opened.verdict, trail };
    const endpoint = opened.endpoint && endpointKey(opened.endpoint);
    const value: BlobContent = {
      digest,
      size: opened.size,
      open: (start, end) => opened.reader(start, end),
      close: () => opened.close(),
    };
    return { found: true, value, cache: resultOf[opened.how], endpoint, trail };
  }

  return { admit, answer };
}

/** The bytes that will be read first, so that they are fetched first. */
function firstRange(ranges: readonly RangeSpec[] | undefined, size: number | undefined): OpenRange {
  const first = ranges?.[0];
  if (!first) return { start: 0 };
  if ('suffix' in first) return { start: size === undefined ? 0 : Math.max(0, size - first.suffix) };
  // Past the end there is nothing to fetch; the size is enough for the answer.
  if (size !== undefined && first.start >= size) return { start: size, end: size };
  const { start, end } = first;
  return { start, end: end === undefined ? undefined : Math.min(end, size ?? end) };
}

/** A blob for an answer that has begun before an endpoint gave a byte. */
function lateContent(digest: Digest, size: number, opening: Promise<OpenedTransfer>): BlobContent {
  return {
    digest,
    size,
    open(start, end) {
      let stream: ByteStream | undefined;
      let closed = false;
      return {
        async next() {
          const opened = await opening;
          if (!opened.ok) throw new Error(`no endpoint gives ${digest}`);
          if (closed) return undefined;
          if (opened.size !== size) throw new Error(`${digest} has ${opened.size} bytes, not ${size}`);
          stream ??= opened.reader(start, end);
          return stream.next();
        },
        close() {
          closed = true;
          stream?.close();
        },
      };
    },
    close() {
      opening.then(
        (opened) => opened.ok && opened.close(),
        () => {},
      );
    },
  };
}
