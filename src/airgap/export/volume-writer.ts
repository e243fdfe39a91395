/** Writes one volume: `FILE.partial`, flushed, then renamed. */
import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncPath } from '../../lib/sync-path.ts';

export interface VolumeWriting {
  readonly signal: AbortSignal;
  /** Bytes that came to the file. */
  readonly onBytes: (bytes: number) => void;
  /** Permissions of the file. Default: 0644. */
  readonly mode?: number;
}

/**
 * Resolves with the SHA-256 of the file in hex. `size`: bytes that it has. Rejects with what `bytes` or the file system says; `file` is as it
 * was then.
 */
export async function writeVolume(
  file: string,
  bytes: AsyncIterable<Uint8Array>,
  size: number,
  writing: VolumeWriting,
): Promise<string> {
  const draft = `${file}.partial`;
  await rm(draft, { force: true });
  // Exclusive, so that no link that stands there is followed.
  const handle = await open(draft, 'wx', writing.mode ?? 0o644);
  try {
    const sha256 = await writeBytes(handle, bytes, size, writing);
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

async function writeBytes(
  handle: FileHandle,
  bytes: AsyncIterable<Uint8Array>,
  size: number,
  { signal, onBytes }: VolumeWriting,
): Promise<string> {
  const hash = createHash('sha256');
  let position = 0;
  for await (const chunk of bytes) {
    signal.throwIfAborted();
    hash.update(chunk);
    await writeAll(handle, chunk);
    position += chunk.length;
    onBytes(chunk.length);
  }
  if (position !== size) throw new Error(`the volume has ${position} bytes, and ${size} were planned`);
  return hash.digest('hex');
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at);
    at += bytesWritten;
  }
}
