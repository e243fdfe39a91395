/**
 * Writes one volume: `FILE.partial`, flushed, then renamed. The bytes are the same for the same plan: mode, owner and time of all
 * entries are fixed.
 *
 * A chunk of a stored content lies in memory that is used again (`lib/bytes/byte-stream.ts`). So the next but one is asked for only once
 * it is in the file, and the stream is closed only once all are.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Pack } from 'tar-stream';
import type { ByteStream } from '../../lib/bytes/byte-stream.ts';
import { syncPath } from '../../lib/sync-path.ts';
import type { PlannedVolume, Slice } from './volume-plan.ts';

/** What is written, in order. */
export interface VolumeEntries extends Pick<PlannedVolume, 'files' | 'bytes'> {
  readonly slices: Iterable<Slice>;
}

export interface VolumeSource {
  /** The bytes of a content, and its end. */
  open(slice: Slice): Promise<{ readonly stream: ByteStream; close(): void }>;
}

export interface VolumeWriting {
  readonly signal: AbortSignal;
  /** Bytes that came to the file. */
  readonly onBytes: (bytes: number) => void;
  /** Permissions of the file. Default: 0644. */
  readonly mode?: number;
}

/** Resolves with the SHA-256 of the file in hex. Rejects with what the source or the file system says; `file` is as it was then. */
export async function writeVolume(
  file: string,
  volume: VolumeEntries,
  source: VolumeSource,
  writing: VolumeWriting,
): Promise<string> {
  const draft = `${file}.partial`;
  await rm(draft, { force: true });
  // Exclusive, so that no link that stands there is followed.
  const handle = await open(draft, 'wx', writing.mode ?? 0o644);
  try {
    const sha256 = await writeTar(handle, volume, source, writing);
    await handle.sync();
    await handle.close();
    await rename(draft, file);
    await syncPath(dirname(file));
    return sha256;
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(draft, { force: true }).catch(() => {});
    throw error;
  }
}

async function writeTar(
  handle: FileHandle,
  { files, slices, bytes }: VolumeEntries,
  source: VolumeSource,
  { signal, onBytes }: VolumeWriting,
): Promise<string> {
  const { pack: createPack } = await import('tar-stream');
  const pack = createPack();
  // Told by the loop below as well: an error without a listener would end the process.
  pack.on('error', () => {});
  const written = createWrittenChunks();
  /** What failed first: the rest fails because of it. */
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown) => {
    failure ??= { error };
    written.fail(error);
    pack.destroy(error instanceof Error ? error : new Error(String(error)));
  };
  async function feed(): Promise<void> {
    for (const { path, bytes: text } of files) await addFile(pack, path, text);
    for (const slice of slices) await addSlice(pack, slice, source, written);
    pack.finalize();
  }
  const feeding = feed().catch(fail);
  const hash = createHash('sha256');
  let position = 0;
  try {
    for await (const chunk of pack as AsyncIterable<Uint8Array>) {
      signal.throwIfAborted();
      hash.update(chunk);
      await writeAll(handle, chunk);
      position += chunk.length;
      onBytes(chunk.length);
      written.add(chunk);
    }
  } catch (error) {
    fail(error);
  }
  await feeding;
  if (failure) throw failure.error;
  if (position !== bytes) throw new Error(`the volume has ${position} bytes, and ${bytes} were planned`);
  return hash.digest('hex');
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

async function addSlice(
  pack: Pack,
  slice: Slice,
  source: VolumeSource,
  written: WrittenChunks,
): Promise<void> {
  const size = slice.end - slice.start;
  const { entry, ended } = begin(pack, slice.path, size);
  if (size > 0) {
    const { stream, close } = await source.open(slice);
    let before: Uint8Array | undefined;
    try {
      for (let chunk = await stream.next(); chunk; chunk = await stream.next()) {
        if (before) await written.has(before);
        entry.write(chunk);
        before = chunk;
      }
      if (before) await written.has(before);
    } finally {
      stream.close();
      close();
    }
  }
  entry.end();
  await ended;
}

interface WrittenChunks {
  add(chunk: Uint8Array): void;
  /** Resolves once the chunk is in the file; rejects once the writing has failed. */
  has(chunk: Uint8Array): Promise<void>;
  fail(error: unknown): void;
}

function createWrittenChunks(): WrittenChunks {
  const waiting = new Map<Uint8Array, PromiseWithResolvers<void>>();
  let last: Uint8Array | undefined;
  let failure: { readonly error: unknown } | undefined;
  return {
    add(chunk) {
      last = chunk;
      waiting.get(chunk)?.resolve();
      waiting.delete(chunk);
    },
    async has(chunk) {
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

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at);
    at += bytesWritten;
  }
}
