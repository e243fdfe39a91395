/**
 * The bytes of one volume. They are the same for the same plan: mode, owner and time of all entries are fixed.
 *
 * A chunk of a stored content lies in memory that is used again (`lib/bytes/byte-stream.ts`). So the next but one is asked for only once
 * the reader has asked for the next one, and the stream is closed only once all are taken.
 */
import type { Pack } from 'tar-stream';
import type { ByteStream } from '../../lib/bytes/byte-stream.ts';
import type { PlannedVolume, Slice } from './volume-plan.ts';

/** What is in it, in order. */
export interface VolumeEntries extends Pick<PlannedVolume, 'files' | 'bytes'> {
  readonly slices: Iterable<Slice>;
}

export interface VolumeSource {
  /** The bytes of a content, and its end. */
  open(slice: Slice): Promise<{ readonly stream: ByteStream; close(): void }>;
}

/** A chunk is valid until the next one is asked for. Throws what the source throws. */
export async function* volumeBytes(
  { files, slices, bytes }: VolumeEntries,
  source: VolumeSource,
): AsyncGenerator<Uint8Array> {
  const { pack: createPack } = await import('tar-stream');
  const pack = createPack();
  // Told by the loop below as well: an error without a listener would end the process.
  pack.on('error', () => {});
  const taken = createTakenChunks();
  /** What failed first: the rest fails because of it. */
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown) => {
    failure ??= { error };
    taken.fail(error);
    pack.destroy(error instanceof Error ? error : new Error(String(error)));
  };
  async function feed(): Promise<void> {
    for (const { path, bytes: text } of files) await addFile(pack, path, text);
    for (const slice of slices) await addSlice(pack, slice, source, taken);
    pack.finalize();
  }
  const feeding = feed().catch(fail);
  let position = 0;
  try {
    for await (const chunk of pack as AsyncIterable<Uint8Array>) {
      position += chunk.length;
      yield chunk;
      taken.add(chunk);
    }
  } catch (error) {
    fail(error);
  } finally {
    if (position < bytes) fail(new Error(`the volume was read to byte ${position} of ${bytes}`));
    await feeding;
  }
  if (failure) throw failure.error;
  if (position !== bytes) throw new Error(`the volume has ${position} bytes, and ${bytes} were planned`);
}

function header(name: string, size: number) {
  return {
    name,
    size,
    mode: 0o644,
    uid: 0,
    gid: 0,
    uname: '',
    gname: '',
    mtime: new Date(0),
    type: 'file' as const,
  };
}

/** Begins an entry. `ended` resolves once all of it is in the pack. */
function begin(pack: Pack, path: string, size: number) {
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  ended.catch(() => {});
  const entry = pack.entry(header(path, size), (error) => (error ? reject(error) : resolve()));
  // A pack that is destroyed destroys its entry, with an event.
  entry.on('error', reject);
  return { entry, ended };
}

async function addFile(pack: Pack, path: string, bytes: Uint8Array): Promise<void> {
  const { entry, ended } = begin(pack, path, bytes.length);
  entry.end(bytes);
  await ended;
}

async function addSlice(pack: Pack, slice: Slice, source: VolumeSource, taken: TakenChunks): Promise<void> {
  const size = slice.end - slice.start;
  const { entry, ended } = begin(pack, slice.path, size);
  if (size > 0) {
    const { stream, close } = await source.open(slice);
    let before: Uint8Array | undefined;
    try {
      for (let chunk = await stream.next(); chunk; chunk = await stream.next()) {
        if (before) await taken.by(before);
        entry.write(chunk);
        before = chunk;
      }
      if (before) await taken.by(before);
    } finally {
      stream.close();
      close();
    }
  }
  entry.end();
  await ended;
}

interface TakenChunks {
  add(chunk: Uint8Array): void;
  /** Resolves once the chunk is taken; rejects once the reading has failed. */
  by(chunk: Uint8Array): Promise<void>;
  fail(error: unknown): void;
}

function createTakenChunks(): TakenChunks {
  const waiting = new Map<Uint8Array, PromiseWithResolvers<void>>();
  let last: Uint8Array | undefined;
  let failure: { readonly error: unknown } | undefined;
  return {
    add(chunk) {
      last = chunk;
      waiting.get(chunk)?.resolve();
      waiting.delete(chunk);
    },
    async by(chunk) {
      if (failure) throw failure.error;
      if (chunk === last) return;
      const wait = Promise.withResolvers<void>();
      waiting.set(chunk, wait);
      await wait.promise;
    },
    fail(error) {
      failure = { error };
      for (const { reject } of waiting.values()) reject(error);
    },
  };
}
