/** Wakes one loop that waits for work. A ring that comes while the loop is busy is not lost: its next wait is over at once. */
import type { Clock } from '../clock.ts';

export interface Bell {
  ring(): void;
  /** Resolves at the next ring, after `ms`, or when the signal is aborted. Never rejects. */
  wait(signal: AbortSignal, ms?: number): Promise<void>;
}

/** For one loop. */
export function createBell(clock: Clock): Bell {
  let isRung = false;
  let wake = () => {};

  return {
    ring() {
      isRung = true;
      wake();
    },
    async wait(signal, ms) {
      if (!isRung && !signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const end = () => resolve();
        wake = end;
        const timer = ms === undefined ? undefined : clock.after(ms, end);
        signal.addEventListener('abort', end);
        await promise;
        signal.removeEventListener('abort', end);
        timer?.cancel();
        wake = () => {};
      }
      isRung = false;
    },
  };
}
