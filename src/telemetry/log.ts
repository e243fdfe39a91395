/** The log: one JSON object per line, by pino. `log-output.ts` writes the lines of a server to standard output. */
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';

export type Log = Logger;

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly to: DestinationStream;
}

/** Fields that never reach the log, should somebody pass them along by mistake. (Wildcards would cost 8 us per line.) */
const secretFields = ['authorization', 'password', 'token', 'identityToken', 'secret', 'cookie'];

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
    options.to,
  );
}
