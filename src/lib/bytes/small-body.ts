/** Small bodies: read whole, or dropped so that their connection can be used again. */
import type { Clock, Timer } from '../clock.ts';
import type { PushedBody } from './pushed-body.ts';

export type ReadBody =
  | { readonly ok: true; readonly bytes: Buffer }
  | { readonly ok: false; readonly kind: 'tooLarge' | 'broken'; readonly reason: string };

export interface ReadBodyOptions {
  /** Bytes. */
  readonly cap: number;
  readonly clock: Clock;
  /** Milliseconds in which at least one byte must come. The whole body may take ten times as long. */
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
}

const mostTimeouts = 10;

/** Reads a body whole. Never rejects. Cancels a body that it gives up. */
export function readBody(body: PushedBody, options: ReadBodyOptions): Promise<ReadBody> {
  const { promise, resolve } = Promise.withResolvers<ReadBody>();
  /** Chunks are copied into one piece: a chunk of one byte would otherwise cost a hundred bytes. */
  let held = Buffer.alloc(0);
  let size = 0;
  const finish = (result: ReadBody) => {
    timer.cancel();
    options.signal?.removeEventListener('abort', onAbort);
    if (!result.ok) body.cancel();
    resolve(result);
  };
  const broken = (reason: string) => finish({ ok: false, kind: 'broken', reason });
  const onAbort = () => broken('given up');
  const { clock, timeout } = options;
  const latest = clock.monotonic() + mostTimeouts * timeout;
  let lastAt = clock.monotonic();
  let timer: Timer;
  const watch = (ms: number) => {
    timer = clock.after(ms, () => {
      const now = clock.monotonic();
      const due = Math.min(lastAt + timeout, latest);
      if (now < due) watch(due - now);
      else if (now >= latest) broken(`body not complete within ${(mostTimeouts * timeout) / 1000} s`);
      else broken(`no byte of the body for ${timeout / 1000} s`);
    });
  };
  watch(timeout);
  options.signal?.addEventListener('abort', onAbort);
  body.consume({
    data(chunk) {
      lastAt = clock.monotonic();
      const end = size + chunk.length;
      if (end > options.cap) {
        finish({ ok: false, kind: 'tooLarge', reason: `body larger than ${options.cap} bytes` });
        return false;
      }
      if (end > held.length) held = Buffer.concat([held], Math.max(end, 2 * held.length));
      chunk.copy(held, size);
      size = end;
      return true;
    },
    end: () => finish({ ok: true, bytes: Buffer.from(held.subarray(0, size)) }),
    fail: broken,
  });
  if (options.signal?.aborted) onAbort();
  return promise;
}

/** ms that the rest of an unwanted body may take: it holds one of the connections that the host allows. */
const dropTimeout = 5000;

/** Reads up to 64 KiB to save the connection. Closes it if there is more, or if the rest does not come. */
export function dropBody(body: PushedBody, clock: Clock): void {
  let left = 64 * 1024;
  const close = () => {
    timer.cancel();
    body.cancel();
  };
  const timer = clock.after(dropTimeout, close);
  body.consume({
    data(chunk) {
      left -= chunk.length;
      if (left < 0) close();
      return true;
    },
    end: () => timer.cancel(),
    fail: () => timer.cancel(),
  });
}
