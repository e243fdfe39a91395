/** The socket in the data folder on which the running server takes commands. */
import { constants, openSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes of the longest path that a socket may have: sun_path of Linux without its final zero. */
const longestPath = 107;

/**
 * The path of the socket. If it is longer than a socket's path may be, the result leads through a descriptor of the data folder, which
 * stays open until the process ends.
 */
export function adminSocket(data: string): string {
  const path = join(data, 'entrepot.sock');
  if (Buffer.byteLength(path) <= longestPath) return path;
  try {
    const folder = openSync(data, constants.O_RDONLY | constants.O_DIRECTORY);
    return `/proc/self/fd/${folder}/entrepot.sock`;
  } catch {
    return path;
  }
}
