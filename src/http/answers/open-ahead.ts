/**
 * The streams of a multipart answer, opened a few parts before their turn: a part of a cold blob costs a round trip to its
 * registry, and a client that asks for a hundred of them (zstd:chunked) would wait a hundred times.
 */
import type { ByteStream } from '../../lib/byte-stream.ts';

export interface StreamsAhead {
  /** The stream at `index`, which the caller closes. Each once, in their order. */
  take(index: number): ByteStream;
  /** Closes those that were opened and never taken. */
  close(): void;
}

/** Parts that are fetched beside the one that is being sent; each may hold a connection upstream, and two buffers. */
const ahead = 3;

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

/** Its first bytes are on their way, whoever waits for them. */
function begun(stream: ByteStream): ByteStream {
  let first: Promise<Uint8Array | undefined> | undefined = stream.next();
  // A failure is told by the first `next`, if that ever comes.
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
