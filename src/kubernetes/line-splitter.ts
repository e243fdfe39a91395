/** Lines out of chunks, for a stream of JSON values, one a line. */

export interface LineSplitter {
  /** Copies what it keeps. False: the line has become too long, and the stream is of no use any more. */
  push(chunk: Buffer): boolean;
}

const newline = 0x0a;

/** `onLine` gets each line without its end, but empty ones; its bytes are good until it returns. `cap`: bytes of a line. */
export function createLineSplitter(cap: number, onLine: (line: Buffer) => void): LineSplitter {
  /** One piece: a chunk of one byte would otherwise cost a hundred bytes. */
  let held = Buffer.alloc(0);
  let size = 0;

  function hold(part: Buffer): boolean {
    const end = size + part.length;
    if (end > cap) return false;
    if (end > held.length) held = Buffer.concat([held.subarray(0, size)], Math.max(end, 2 * held.length));
    part.copy(held, size);
    size = end;
    return true;
  }

  return {
    push(chunk) {
      let from = 0;
      for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
        if (!hold(chunk.subarray(from, at))) return false;
        const line = held.subarray(0, size);
        size = 0;
        from = at + 1;
        if (line.length > 0) onLine(line);
      }
      return hold(chunk.subarray(from));
    },
  };
}
