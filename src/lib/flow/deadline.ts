/** Work that has to end in time. */
import type { Clock } from '../clock.ts';

/** Gives what `work` gives. Its signal is aborted after so many ms, with `reason` or as signals usually are. */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  work: (late: AbortSignal) => Promise<T>,
  reason?: () => unknown,
): Promise<T> {
  const late = new AbortController();
  const timer = clock.after(ms, () => late.abort(reason?.()));
  try {
    return await work(late.signal);
  } finally {
    timer.cancel();
  }
}
