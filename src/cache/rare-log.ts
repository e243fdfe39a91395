/**
 * A log that writes the same message at most once a minute: on a full disk each request would add a line. The field `repeated` of a
 * line is the number of lines with the same message that were left out before it.
 */
import type { Clock } from '../lib/clock.ts';
import type { LineFields, Log } from '../telemetry/log.ts';

export type RareLog = Pick<Log, 'info' | 'warn' | 'error'>;

/** ms for which a line with the same message is left out. */
const interval = 60_000;

/** Passes lines on to `log`. */
export function createRareLog({ log, clock }: { log: RareLog; clock: Clock }): RareLog {
  /** By message: the texts are our own, so they are few. */
  const told = new Map<string, { at: number; repeated: number }>();

  function write(level: keyof RareLog, fields: LineFields, message: string): void {
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
