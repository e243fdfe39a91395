/** Where a server that holds a data folder takes commands. */
import { constants, openSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes that the path of a socket may have: sun_path of Linux, less the zero at its end. */
const longestPath = 107;

/**
 * The path of the socket in the data folder. One that is too long for a socket is given by way of an open folder, which stays open
 * until the process ends.
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
