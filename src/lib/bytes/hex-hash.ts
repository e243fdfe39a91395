import { hash } from 'node:crypto';

/** The hash of bytes that are all in memory, in lower-case hex. `algorithm` is a name that node:crypto knows. */
export function hexHash(algorithm: string, content: Uint8Array): string {
  return hash(algorithm, content, 'hex');
}
