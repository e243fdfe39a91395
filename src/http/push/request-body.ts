/**
 * The body of a request, read only where a handler wants it. A client that asked first (`Expect: 100-continue`) is told to go on
 * with the first read, so a refusal costs it no bytes. A client that sends less than 64 KiB in a minute counts as gone.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../lib/clock.ts';

export interface RequestBody {
  /** By Content-Length; undefined for a chunked body. 0 where there is none. */
  readonly length: number | undefined;
  /** The bytes, once. Throws where the client leaves or stalls. */
  bytes(): AsyncIterable<Uint8Array>;
  /** At most `limit` bytes; undefined where there are more. Throws as `bytes`. */
  whole(limit: number): Promise<Buffer | undefined>;
}

/** ms of waiting in which a client must send `leastBytes`, or the end of the body. */
const stallTimeout = 60_000;
const leastBytes = 64 * 1024;

/** The body of `incoming`; `outgoing` is for the interim answer. */
export function requestBody(incoming: IncomingMessage, outgoing: ServerResponse, clock: Clock): RequestBody {
  const { headers } = incoming;
  const isChunked = headers['transfer-encoding'] !== undefined;
  const length = isChunked ? undefined : Number(headers['content-length'] ?? 0);
  let mayExpect = headers.expect !== undefined && incoming.httpVersion !== '1.0';

  /** Only the time counts in which a chunk is waited for: the consumer may be slow. */
  async function* bytes(): AsyncGenerator<Uint8Array> {
    if (mayExpect) outgoing.writeContinue();
    mayExpect = false;
    const iterator = incoming.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]();
    let waited = 0;
    let came = 0;
    try {
      while (true) {
        const begun = clock.monotonic();
        const timer = clock.after(Math.max(0, stallTimeout - waited), () =>
          incoming.destroy(new Error('the client sent next to nothing for a minute')),
        );
        const next = await iterator.next().finally(() => timer.cancel());
        if (next.done) break;
        const chunk = next.value as Buffer;
        waited += clock.monotonic() - begun;
        came += chunk.byteLength;
        if (came >= leastBytes) [waited, came] = [0, 0];
        yield chunk;
      }
    } finally {
      // So that what is left can be discarded.
      await iterator.return?.();
    }
    if (!incoming.complete) throw new Error('the client left');
  }

  return {
    length,
    bytes,
    async whole(limit) {
      if (length !== undefined && length > limit) return undefined;
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of bytes()) {
        size += chunk.byteLength;
        if (size > limit) return undefined;
        chunks.push(chunk);
      }
      return Buffer.concat(chunks, size);
    },
  };
}
