/**
 * A bucket as the rest of the program sees it: objects under keys, each written once and whole.
 *
 *   placement/ --> ObjectStore --> s3/ or azure/ --> transport (handed in: HTTP, TLS, proxies)
 *
 * A key is relative to the `prefix` of the `[[store]]` block. A method that gets a signal rejects with its reason once it is aborted;
 * else all that fails is a StoreError. Nothing here asks twice: the caller knows whether another bucket is nearer.
 */
import type { ByteRange, OpenRange } from '../lib/bytes/byte-range.ts';
import type { ByteStream } from '../lib/bytes/byte-stream.ts';
import type { PushedBody } from '../lib/bytes/pushed-body.ts';

export interface ObjectStore {
  /** Of the `[[store]]` block. */
  readonly name: string;
  /** Undefined if the object is absent. */
  head(key: string, signal?: AbortSignal): Promise<ObjectInfo | undefined>;
  /**
   * Resolves when the headers are in; undefined if the object is absent. The range goes to the store as it is, and the answer has
   * exactly its bytes, up to the end of the object. A range that begins at or after the end is `invalid`. The body must be consumed
   * or cancelled.
   */
  get(key: string, range: OpenRange, signal?: AbortSignal): Promise<ObjectBody | undefined>;
  /**
   * Durable and whole when it resolves; before that, and if it fails, the old state stays. `present`: an object of this size was
   * and name was there, and stays. Another one is replaced.
   */
  put(key: string, source: ObjectSource, signal?: AbortSignal): Promise<'stored' | 'present'>;
  /** Does nothing if the object is absent. */
  delete(key: string, signal?: AbortSignal): Promise<void>;
  /** A page of the keys that begin with `prefix`, in their order. `from`: `next` of the page before. Too slow for a request of a client. */
  list(prefix: string, from?: string, signal?: AbortSignal): Promise<ObjectPage>;
  /** Gives up uploads that were begun before (epoch ms) and never completed, of keys that are ours. Resolves with their number. */
  abortUploads(before: number, signal?: AbortSignal, isOurs?: (key: string) => boolean): Promise<number>;
  /** A URL at which a client without credentials can GET the object for so many seconds. Asks no store whether the object is there. */
  presign(key: string, seconds: number): Promise<string>;
  /** Cuts what is under way. */
  close(): Promise<void>;
}

export interface ObjectInfo {
  /** Bytes. */
  readonly size: number;
  /** Epoch ms, by the clock of the store. Infinite where the store does not tell: such an object is never old. */
  readonly modified: number;
  /** What `ObjectSource.name` was; a listing does not tell it. */
  readonly name?: string | undefined;
}

export interface ObjectBody extends ByteRange {
  /** Bytes of the whole object; `start` and `end` are those of the body. */
  readonly size: number;
  readonly body: PushedBody;
}

/** What is uploaded. It must not change meanwhile: parts are read again after a failure. A `StoredBlob` of the cache is one. */
export interface ObjectSource {
  /** Bytes. */
  readonly size: number;
  /** Lower-case hex of the SHA-256 of all bytes, where it is known: it saves hashing. */
  readonly sha256?: string | undefined;
  /** Digest of what the bytes are, which were verified: it is kept with the object. An object without it may have other bytes. */
  readonly name?: string | undefined;
  /** The bytes from `start` to before `end`. */
  stream(start: number, end: number): ByteStream;
}

export interface ObjectPage {
  readonly objects: readonly (ObjectInfo & { readonly key: string })[];
  /** For the next call; undefined at the end. Only the same store understands it. */
  readonly next: string | undefined;
}

/**
 *   unreachable   no answer, a broken one, or 5xx: another try may help
 *   refused       credentials or rights; with some stores also an absent object, if the account may not list the bucket
 *   throttled     429, or 503 with SlowDown: not before `retryAfter`
 *   invalid       an answer that makes no sense: HTML of a proxy, another length, a range past the end
 */
export type StoreFault = 'unreachable' | 'refused' | 'throttled' | 'invalid';

/** The message is one sentence for the log of an operator: no secret, no URL with a query. */
export class StoreError extends Error {
  readonly kind: StoreFault;
  /** Milliseconds from now, as the store says it. */
  readonly retryAfter: number | undefined;

  constructor(
    kind: StoreFault,
    message: string,
    options: { readonly retryAfter?: number | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'StoreError';
    this.kind = kind;
    this.retryAfter = options.retryAfter;
  }
}

/** Bytes in memory as what `put` takes. */
export function bytesSource(bytes: Uint8Array): ObjectSource {
  return {
    size: bytes.length,
    stream(start, end) {
      let rest: Uint8Array | undefined = start < end ? bytes.subarray(start, end) : undefined;
      return {
        async next() {
          const chunk = rest;
          rest = undefined;
          return chunk;
        },
        close() {},
      };
    },
  };
}
