/**
 * A log that tells a trouble once a minute, however often it is met: on a full disk each request would add a line. A line says in
 * `repeated` how many like it were left out before.
 */
import type { Clock } from '../lib/clock.ts';
import type { CacheLog } from './log.ts';

/** ms for which a line with the same message is left out. */
const interval = 60_000;

export function createRareLog({ log, clock }: { log: CacheLog; clock: Clock }): CacheLog {
  /** By message: the texts are our own, so they are few. */
  const told = new Map<string, { at: number; repeated: number }>();

  function write(level: keyof CacheLog, fields: object, message: string): void {
    const now = clock.monotonic();
    const past = told.get(message);
    if (past && now - past.at < interval) {
      past.repeated += 1;
      return;
    }
    told.set(message, { at: now, repeated: 0 });
    log[level](past?.repeated ? { ...fields, repeated: past.repeated } : fields, message);
  }

  return {
    info: (fields, message) => write('info', fields, message),
    warn: (fields, message) => write('warn', fields, message),
    error: (fields, message) => write('error', fields, message),
  };
}
