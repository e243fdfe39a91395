import type { Bell } from './bell.ts';

export interface RungWork {
  readonly bell: Bell;
  /** Gives the ms until it is done again: 0 is at once, undefined at the next ring of the bell. */
  readonly work: () => Promise<number | undefined>;
  /** Told of each failure. */
  readonly failed: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/** ms until what failed is tried again, unless the bell rings before. */
const retryAfter = 5000;

/** Does the work at once, and again when it says or the bell rings, until the signal is aborted. Rejects only as `failed` throws. */
export async function workWhenRung({ bell, work, failed, signal }: RungWork): Promise<void> {
  while (!signal.aborted) {
    let wait: number | undefined;
    try {
      wait = await work();
      if (wait === 0) continue;
    } catch (error) {
      wait = retryAfter;
      failed(error);
    }
    await bell.wait(signal, wait);
  }
}
