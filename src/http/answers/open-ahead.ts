/**
 * The streams of a multipart answer, opened a few parts ahead. Each part of a cold blob costs a round trip to its registry: a
 * client that asks for a hundred parts (zstd:chunked) would otherwise wait for a hundred round trips in a row.
 */
import type { ByteStream } from '../../lib/bytes/byte-stream.ts';

export interface StreamsAhead {
  /** The stream at `index`; the caller closes it. Call once for each index, in order. */
  take(index: number): ByteStream;
  /** Closes the streams that were opened and not taken. */
  close(): void;
}

/** Parts that are opened beside the one that is being sent. Each may hold an upstream connection and two buffers. */
const ahead = 3;

/** Opens nothing before the first `take`. */
export function openAhead(openers: readonly (() => ByteStream)[]): StreamsAhead {
  const waiting: ByteStream[] = [];
  let opened = 0;
  return {
    take(index) {
      while (opened < openers.length && opened <= index + ahead) {
        const open = openers[opened];
        if (open) waiting.push(begun(open()));
        opened += 1;
      }
      const stream = waiting.shift();
      if (!stream) throw new Error(`there is no part ${index}, or it was taken`);
      return stream;
    },
    close() {
      for (const stream of waiting.splice(0)) stream.close();
    },
  };
}

/** Reads the first chunk of a stream at once, before it is asked for. */
function begun(stream: ByteStream): ByteStream {
  let first: Promise<Uint8Array | undefined> | undefined = stream.next();
  // The first `next` reports a failure, if it is ever called.
  first.catch(() => {});
  return {
    next() {
      const begunWith = first ?? stream.next();
      first = undefined;
      return begunWith;
    },
    close: () => stream.close(),
  };
}
