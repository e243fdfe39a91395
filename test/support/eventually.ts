/** Waits for a state that announces itself nowhere: a file that appears, a counter of another process. */
import { setTimeout as wait } from 'node:timers/promises';

/**
 * The first value of `look` that is neither undefined nor false. Throws what `what` says after `within` milliseconds: that is no bound
 * that a test holds, but what ends one that has failed.
 */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  within = 300_000,
): Promise<T> {
  const deadline = performance.now() + within;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`waited ${within} ms in vain: ${what}`);
    await wait(5);
  }
}
