/** The thread that compares passwords: one comparison takes a tenth of a second and would hold every request for so long. */
import { parentPort } from 'node:worker_threads';
import { compareSync } from 'bcryptjs';

export interface Comparison {
  readonly id: number;
  readonly password: string;
  readonly hash: string;
}

export interface ComparisonReply {
  readonly id: number;
  readonly matches: boolean;
}

parentPort?.on('message', ({ id, password, hash }: Comparison) => {
  let matches = false;
  try {
    matches = compareSync(password, hash);
  } catch {
    // A hash that the library cannot read is of no password.
  }
  parentPort?.postMessage({ id, matches } satisfies ComparisonReply);
});
