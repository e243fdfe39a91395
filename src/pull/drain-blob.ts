/** Takes a blob as a client does: if it is not cached it is read to its last byte, which brings it into the cache. */
import type { ByteStream } from '../lib/bytes/byte-stream.ts';
import type { BlobTarget } from '../routing/target.ts';
import type { Pull } from './pull.ts';
import { verdictText } from './verdict-text.ts';

export type TakenBlob =
  | { readonly ok: true /** It was in the cache before. */; readonly isHere: boolean }
  | { readonly ok: false; readonly reason: string };

/** Progress is told after so many bytes. */
const progressStep = 1024 * 1024;

/** `tell` gets the bytes that have come so far. Rejects where they break off, and once `signal` is aborted. */
export async function takeBlob(
  pull: Pick<Pull, 'blob'>,
  target: BlobTarget,
  tell: (done: number) => void = () => {},
  signal?: AbortSignal,
): Promise<TakenBlob> {
  signal?.throwIfAborted();
  const pulled = await pull.blob(target);
  if (!pulled.found) return { ok: false, reason: verdictText(pulled.verdict, pulled.trail) };
  const { value, cache } = pulled;
  const isHere = cache === 'hit' || cache === 'revalidated';
  try {
    if (!isHere) await drain(value.open(0, value.size), tell, signal);
  } finally {
    value.close();
  }
  return { ok: true, isHere };
}

async function drain(
  stream: ByteStream,
  tell: (done: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  let done = 0;
  let told = 0;
  try {
    for (let chunk = await stream.next(); chunk; chunk = await stream.next()) {
      signal?.throwIfAborted();
      done += chunk.length;
      if (done - told < progressStep) continue;
      told = done;
      tell(done);
    }
  } finally {
    stream.close();
  }
}
