/**
 * At most `length` bytes of a body, so that a client cannot write more than it announced. `onMore` is called where the body goes on;
 * the rest is left unread.
 */
export async function* limited(
  body: AsyncIterable<Uint8Array>,
  length: number | undefined,
  onMore: () => void,
): AsyncGenerator<Uint8Array> {
  let left = length ?? Number.POSITIVE_INFINITY;
  for await (const chunk of body) {
    const taken = chunk.byteLength > left ? chunk.subarray(0, left) : chunk;
    left -= taken.byteLength;
    if (taken.byteLength > 0) yield taken;
    if (taken !== chunk) {
      onMore();
      return;
    }
  }
}
