/** What lies in a data folder, past the program. */
import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../src/oci/digest.ts';

/** Where the content of a digest is stored. */
export function storedFile(data: string, digest: Digest): string {
  const [algorithm = '', hex = ''] = digest.split(':');
  return join(data, 'content-v1', algorithm, hex.slice(0, 2), hex);
}

/** As a disk that loses bits would: in its place, so that whoever has the file open sees it too. */
export function flipByte(file: string, offset: number): void {
  const fd = openSync(file, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, offset);
  byte[0] = byte[0]! ^ 1;
  writeSync(fd, byte, 0, 1, offset);
  closeSync(fd);
}

/** Bytes of all stored contents. */
export function storedBytes(data: string): number {
  return bytesIn(join(data, 'content-v1'));
}

/** Bytes of all transfers, those that are over as well. */
export function incomingBytes(data: string): number {
  return bytesIn(join(data, 'incoming'));
}

function bytesIn(folder: string): number {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names.reduce((sum, name) => {
    const stats = statSync(join(folder, name), { throwIfNoEntry: false });
    return stats?.isFile() ? sum + stats.size : sum;
  }, 0);
}
