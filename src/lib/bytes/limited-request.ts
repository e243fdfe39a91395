/**
 * A request with its whole body in memory. (Hono's own `bodyLimit` copies a request that says no length, which fails for the requests
 * that its server for Node makes.)
 */

/** Undefined where the body has more than `most` bytes, or the client leaves before its end. */
export async function limitedRequest(request: Request, most: number): Promise<Request | undefined> {
  const { body, url, method, headers } = request;
  if (body === null) return request;
  if (Number(headers.get('content-length') ?? 0) > most) return undefined;
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      size += chunk.length;
      if (size > most) return undefined;
      chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  return new Request(url, { method, headers, body: new Blob(chunks) });
}
