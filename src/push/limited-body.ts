/**
 * At most `length` bytes of a body. A body that goes on is left unread from there, so that a client cannot write more than it
 * announced; the connection is then of no more use.
 */
export async function* limited(
  body: AsyncIterable<Uint8Array>,
  length: number | undefined,
): AsyncGenerator<Uint8Array> {
  let left = length ?? Number.POSITIVE_INFINITY;
  for await (const chunk of body) {
    const taken = chunk.byteLength > left ? chunk.subarray(0, left) : chunk;
    left -= taken.byteLength;
    if (taken.byteLength > 0) yield taken;
    if (taken !== chunk) return;
  }
}
