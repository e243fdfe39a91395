import type { Clock } from '../clock.ts';

/** Settles as `asked` does, or gives undefined after so many ms: what was asked then goes on by itself, and may fail unheard. */
export async function orLate<T>(clock: Clock, ms: number, asked: Promise<T>): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = clock.after(ms, () => resolve(undefined));
  try {
    return await Promise.race([asked, late]);
  } finally {
    timer.cancel();
  }
}
