/**
 * Bytes in order, pulled by their consumer. It is the seam between what has bytes (a file in the store, a transfer in flight) and
 * what sends them (`http/send-bytes.ts`), so that buffers can be reused.
 */
export interface ByteStream {
  /**
   * The next bytes, never empty, or undefined at the end. Rejects if the rest cannot be had: the consumer must then destroy its
   * connection, not end it.
   *
   * A chunk stays valid until the call AFTER the next one: a consumer may hold one chunk, which is being written to a socket, while
   * it waits for the next one.
   */
  next(): Promise<Uint8Array | undefined>;
  /** Releases buffers and files. May be called at any time and more than once, but not while a chunk is still in use. */
  close(): void;
}
