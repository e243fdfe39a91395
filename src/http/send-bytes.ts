/**
 * Bytes from a stream to a socket, without a stream class in between: while one chunk is being written the next one is
 * read, and never more than that, which is what the buffers behind a ByteStream allow (`lib/byte-stream.ts`).
 *
 *   no byte yet                             -> the headers go ahead: some clients wait only so long for them
 *   all sent                                -> the answer ends, and the connection lives on
 *   the stream fails, or gives another      -> the answer is cut off (`cut-off.ts`): a client must never take a part for the whole
 *   number of bytes than was announced
 *   the client leaves                       -> the stream is closed at once, whatever it is waiting for
 *   the client takes nothing for too long   -> the connection is destroyed: a dead reader may not hold buffers
 */
import type { ServerResponse } from 'node:http';
import type { ByteStream } from '../lib/byte-stream.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import type { StreamedBody } from './answers/answer.ts';
import { cutOff } from './cut-off.ts';

export interface Sent {
  /** Bytes of the body that were handed to the kernel. */
  readonly bytes: number;
  readonly end: 'complete' | 'clientLeft' | 'clientStalled' | 'failed';
  /** With `failed`. */
  readonly fault?: unknown;
}

export interface SendOptions {
  readonly clock: Clock;
  /** Milliseconds in which a client must have taken one chunk. */
  readonly stallTimeout: number;
}

/** A first chunk that comes within these ms goes out together with the headers. */
const headersWait = 10;

/** Sends the body; headers are set on `outgoing` already. Never rejects; `body` is closed when it resolves. */
export function sendBody(outgoing: ServerResponse, body: StreamedBody, options: SendOptions): Promise<Sent> {
  const { promise, resolve } = Promise.withResolvers<Sent>();
  let open: ByteStream | undefined;
  let over = false;
  let bytes = 0;
  let takenAt = options.clock.monotonic();
  let isWriting = false;
  let timer: Timer | undefined;
  const flushing = options.clock.after(headersWait, () => outgoing.flushHeaders());

  const finish = (end: Sent['end'], fault?: unknown) => {
    if (over) return;
    over = true;
    timer?.cancel();
    flushing.cancel();
    outgoing.off('close', onClose);
    // Whoever still waits for a write hears of the failure before its buffer is given back.
    if (end !== 'complete') cutOff(outgoing);
    open?.close();
    body.close();
    resolve({ bytes, end, ...(fault !== undefined && { fault }) });
  };
  const onClose = () => finish('clientLeft');
  const watch = (ms: number) => {
    timer = options.clock.after(ms, () => {
      const left = isWriting
        ? takenAt + options.stallTimeout - options.clock.monotonic()
        : options.stallTimeout;
      if (left <= 0) finish('clientStalled');
      else watch(left);
    });
  };
  const write = (chunk: Uint8Array, isLast: boolean) => {
    const taken = Promise.withResolvers<void>();
    flushing.cancel();
    isWriting = true;
    takenAt = options.clock.monotonic();
    const onTaken = (error?: Error | null) => {
      isWriting = false;
      if (error) {
        finish('clientLeft');
      } else {
        bytes += chunk.length;
        // At once: node tells `close` before any promise goes on.
        if (isLast) finish('complete');
        else taken.resolve();
      }
    };
    if (isLast) outgoing.end(chunk, onTaken);
    else outgoing.write(chunk, onTaken);
    return taken.promise;
  };

  /** A promise of a write that fails is never settled: `finish` has ended everything by then. */
  const pump = async () => {
    const { parts, length } = body;
    let given = 0;
    let written: Promise<void> | undefined;
    for (const [index, part] of parts.entries()) {
      const isLastPart = index === parts.length - 1;
      const stream = part instanceof Uint8Array ? undefined : part();
      open = stream;
      let chunk = part instanceof Uint8Array ? part : await stream?.next();
      while (chunk !== undefined && !over) {
        given += chunk.length;
        if (length !== undefined && given > length)
          throw new Error(`more than the announced ${length} bytes came`);
        await written;
        if (over) return;
        const isLast = isLastPart && given === length;
        written = write(chunk, isLast);
        if (isLast) return;
        chunk = await stream?.next();
      }
      if (over) return;
      await written;
      stream?.close();
      open = undefined;
    }
    if (over) return;
    if (length !== undefined && given !== length) {
      throw new Error(`${given} bytes came instead of the announced ${length}`);
    }
    outgoing.end(() => finish('complete'));
  };

  outgoing.once('close', onClose);
  watch(options.stallTimeout);
  if (outgoing.destroyed) onClose();
  else pump().catch((fault: unknown) => finish('failed', fault));
  return promise;
}
