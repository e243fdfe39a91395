/** Bytes of a stream in the amounts in which they are wanted. */
export interface ByteReader {
  /** So many bytes; undefined where the stream ends before. */
  exactly(length: number): Promise<Uint8Array | undefined>;
  /** What is there, from 1 byte to `most`; undefined at the end. */
  some(most: number): Promise<Uint8Array | undefined>;
  /** Ends the stream. */
  close(): Promise<void>;
}

/** Reads `source` as it is asked. */
export function createByteReader(source: AsyncIterable<Uint8Array>): ByteReader {
  const chunks = source[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array();
  let isOver = false;

  async function fill(): Promise<boolean> {
    while (rest.length === 0 && !isOver) {
      const next = await chunks.next();
      if (next.done) isOver = true;
      else rest = next.value;
    }
    return rest.length > 0;
  }

  async function some(most: number): Promise<Uint8Array | undefined> {
    if (!(await fill())) return undefined;
    const part = rest.subarray(0, most);
    rest = rest.subarray(part.length);
    return part;
  }

  return {
    some,
    async exactly(length) {
      const parts: Uint8Array[] = [];
      for (let missing = length; missing > 0; ) {
        const part = await some(missing);
        if (!part) return undefined;
        parts.push(part);
        missing -= part.length;
      }
      return parts.length === 1 ? parts[0] : Buffer.concat(parts);
    },
    async close() {
      if (!isOver) await chunks.return?.();
      isOver = true;
    },
  };
}
