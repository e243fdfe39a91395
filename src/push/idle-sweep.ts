/** Calls `sweep` each hour while there is something to sweep. Without it there is no timer. */
import type { Clock, Timer } from '../lib/clock.ts';

export interface IdleSweep {
  /** There may be something to sweep from now on. */
  begin(): void;
  stop(): void;
}

const every = 3_600_000;

/** `sweep` gives whether something is left that may have to be swept later; it never rejects. */
export function createIdleSweep(clock: Clock, sweep: () => Promise<boolean>): IdleSweep {
  let timer: Timer | undefined;
  let isStopped = false;

  function begin(): void {
    if (isStopped) return;
    timer ??= clock.after(every, async () => {
      timer = undefined;
      if (await sweep()) begin();
    });
  }

  return {
    begin,
    stop() {
      isStopped = true;
      timer?.cancel();
    },
  };
}
