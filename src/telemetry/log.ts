/**
 * The log: one JSON object per line on standard output, by pino. Lines are gathered for a moment and written together,
 * without waiting; what is left goes out at exit. A line per request would otherwise cost more than answering from the cache.
 */
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';

export type Log = Logger;

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Standard output where not given. */
  readonly to?: DestinationStream;
}

/** Fields that never reach the log, should somebody pass them along by mistake. (Wildcards would cost 8 us per line.) */
const secretFields = ['authorization', 'password', 'token', 'identityToken', 'secret', 'cookie'];
/** Bytes and ms that lines are gathered for. */
const gathered = { minLength: 4096, periodicFlush: 50 };

export function createLog(options: LogOptions): Log {
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: [...secretFields, ...secretFields.map((field) => `headers.${field}`)],
        censor: '[secret]',
      },
    },
    options.to ?? destination({ dest: 1, sync: false, ...gathered }),
  );
}
