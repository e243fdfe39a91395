/** The log: one JSON object per line, by pino. `log-output.ts` writes the lines of a server to standard output. */
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';

/** Become keys of the JSON object, next to `message`. `event` is the stable id of the line: `area.camelCase`. */
export interface LineFields {
  readonly event: string;
  readonly [field: string]: unknown;
}

type WriteLine = (fields: LineFields, message: string) => void;

/** What the parts of the program write to. Each takes only the levels that it uses: `Pick<Log, 'warn' | 'error'>`. */
export interface Log {
  readonly debug: WriteLine;
  readonly info: WriteLine;
  readonly warn: WriteLine;
  readonly error: WriteLine;
}

/** The log of the whole program: its level can be changed, and it can say why the program ends. */
export type ProgramLog = Logger;

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly to: DestinationStream;
}

/** Fields that never reach the log, even if a part passes them by mistake. (Wildcards would cost 8 us per line.) */
const secretFields = ['authorization', 'password', 'token', 'identityToken', 'secret', 'cookie'];

/** A log of lines from `options.level` up. Fields with the name of a secret, such as `password`, are written as `[secret]`. */
export function createLog(options: LogOptions): ProgramLog {
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
