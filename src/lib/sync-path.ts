import { open } from 'node:fs/promises';

/** Flushes a file's bytes, or the names in a folder. Rejects with the code of the system, such as ENOENT. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
