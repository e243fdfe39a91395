/**
 * Last uses, gathered in memory and written every few seconds, a few at once: reading never waits for a write, and
 * nothing else waits long.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Digest } from '../../oci/digest.ts';

export interface AccessTimes {
  touch(digest: Digest): void;
  /** A use that is not written yet, epoch ms. */
  unwritten(digest: Digest): number | undefined;
  /** Writes all that is left, at once; nothing may be touched afterwards. */
  close(): Promise<void>;
}

/** How long uses are gathered, ms. */
const interval = 5000;
const atOnce = 100;

/** `write` gets digests with their last uses, epoch ms. It must not reject. */
export function createAccessTimes(deps: {
  clock: Clock;
  write: (uses: readonly (readonly [Digest, number])[]) => Promise<void>;
}): AccessTimes {
  const gathered = new Map<Digest, number>();
  let timer: Timer | undefined;

  async function writeSome(): Promise<void> {
    const some: [Digest, number][] = [];
    for (const use of gathered) if (some.push(use) === atOnce) break;
    await deps.write(some);
    for (const [digest, used] of some) {
      if (gathered.get(digest) === used) gathered.delete(digest);
    }
  }

  async function writeAll(): Promise<void> {
    for (let left = gathered.size; left > 0 && gathered.size > 0; left -= atOnce) {
      await writeSome();
      await turn();
    }
    timer = undefined;
    if (gathered.size > 0) wait();
  }

  function wait(): void {
    timer ??= deps.clock.after(interval, () => void writeAll());
  }

  return {
    touch(digest) {
      gathered.set(digest, deps.clock.now());
      wait();
    },
    unwritten: (digest) => gathered.get(digest),
    async close() {
      timer?.cancel();
      if (gathered.size > 0) await deps.write([...gathered]);
      gathered.clear();
    },
  };
}
