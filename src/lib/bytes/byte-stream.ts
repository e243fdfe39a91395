/**
 * Bytes in order, pulled by the one who wants them. It is the seam between what has bytes (a file in the
 * store, a transfer under way) and what sends them (`http/send-bytes.ts`), so that buffers can be pooled.
 */
export interface ByteStream {
  /**
   * The next bytes, or undefined at the end. Never empty. Rejects when the rest cannot be had: the consumer must then
   * destroy its connection, never end it.
   *
   * A chunk stays valid until the call AFTER the next one: a consumer may hold one chunk (being written to a
   * socket) while it waits for the following one, and no more than that.
   */
  next(): Promise<Uint8Array | undefined>;
  /** Gives back buffers and files. May be called at any time, more than once; not while a chunk is still in use. */
  close(): void;
}
