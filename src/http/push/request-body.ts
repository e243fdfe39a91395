/**
 * The body of a request, read only where a handler wants it. A client that asked first (`Expect: 100-continue`) is told to go on
 * with the first read, so a refusal costs it no bytes. A client that sends nothing for a minute has left.
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

/** ms in which a client must send something. */
const stallTimeout = 60_000;

/** The body of `incoming`; `outgoing` is for the interim answer. */
export function requestBody(incoming: IncomingMessage, outgoing: ServerResponse, clock: Clock): RequestBody {
  const { headers } = incoming;
  const isChunked = headers['transfer-encoding'] !== undefined;
  const length = isChunked ? undefined : Number(headers['content-length'] ?? 0);
  let mayExpect = headers.expect?.toLowerCase() === '100-continue';

  async function* bytes(): AsyncGenerator<Uint8Array> {
    if (mayExpect) outgoing.writeContinue();
    mayExpect = false;
    const iterator = incoming.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]();
    while (true) {
      const timer = clock.after(stallTimeout, () =>
        incoming.destroy(new Error('the client sent nothing for a minute')),
      );
      const next = await iterator.next().finally(() => timer.cancel());
      if (next.done) break;
      yield next.value as Buffer;
    }
    if (!incoming.complete) throw new Error('the client left');
  }

  return {
    length,
    bytes: () => bytes(),
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
