/** A hash of bytes that are all here, in lower-case hex. `algorithm` as node:crypto names it. */
import { hash } from 'node:crypto';

export function hexHash(algorithm: string, content: Uint8Array): string {
  return hash(algorithm, content, 'hex');
}
