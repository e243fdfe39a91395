/**
 * Bytes from a ByteStream to a socket, without a stream class in between. While one chunk is written the next one is read,
 * and no more than that: a ByteStream has two buffers (`lib/byte-stream.ts`).
 *
 *   no byte yet                             -> the headers go ahead: some clients time out without them
 *   all sent                                -> the answer ends, and the connection stays open
 *   the stream fails, or gives another      -> the answer is cut off (`cut-off.ts`): a client must not take a part for the
 *   number of bytes than was announced         whole
 *   the client leaves                       -> the stream is closed at once, even while a read waits
 *   the client takes nothing for too long   -> the connection is destroyed: a dead client must not hold buffers
 */
import type { ServerResponse } from 'node:http';
import type { ByteStream } from '../lib/bytes/byte-stream.ts';
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
  /** ms in which the client must take one chunk. */
  readonly stallTimeout: number;
}

/** ms: a first chunk that comes within this time goes out together with the headers. */
const headersWait = 10;

/** Sends the body after `writeHead`. Never rejects; `body` is closed when the result resolves. */
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
    // First fail the pending write, then release the buffer that it reads from.
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
        // Synchronously: node emits `close` before a promise would continue.
        if (isLast) finish('complete');
        else taken.resolve();
      }
    };
    if (isLast) outgoing.end(chunk, onTaken);
    else outgoing.write(chunk, onTaken);
    return taken.promise;
  };

  /** If a write fails, its promise never settles: `finish` has ended the answer by then. */
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
