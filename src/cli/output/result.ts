/**
 * The result of a command; `program.ts` prints either `text` or `json`, which say the same. Exit codes:
 *
 *   0  done   1  failed   2  bad usage, or a configuration that cannot be used   3  done in part
 */
import type { EntrepotError, ErrorCode } from '../../errors.ts';

export type ExitCode = 0 | 1 | 2 | 3;

export interface Result {
  readonly exitCode: ExitCode;
  readonly json: unknown;
  /** Ends with a line break. */
  readonly text: string;
  /** Lines for standard error, beside `text`. In JSON they are in the value. */
  readonly warnings?: string;
  /** `text` goes to standard error. */
  readonly isFailure?: boolean;
}

const exitCodes: Readonly<Record<ErrorCode, ExitCode>> = {
  BUSY: 1,
  BUNDLE_INVALID: 1,
  BUNDLE_UNWRITABLE: 1,
  USAGE: 2,
  CONFIG_CHANGED: 1,
  CONFIG_INVALID: 2,
  CONFIG_UNREADABLE: 2,
  CREDENTIALS_UNUSABLE: 2,
  TLS_UNUSABLE: 2,
  REFERENCE_INVALID: 2,
  REWRITE_INVALID: 2,
  DENIED: 1,
  SERVER_UNREACHABLE: 1,
  NOT_CACHED: 1,
  PINNED: 1,
  DATA_LOCKED: 1,
  DATA_UNUSABLE: 1,
  FACTS_TOO_NEW: 1,
  FACTS_UNAVAILABLE: 1,
  INDEX_TOO_NEW: 1,
  LISTEN_FAILED: 1,
  OUTPUT_UNUSABLE: 1,
};

/** The exit code of a command that ends with this error. */
export function exitCodeOf(error: EntrepotError): ExitCode {
  return exitCodes[error.code];
}

/** The form of an error in JSON output: unknown values are null. */
export function errorAsJson({ code, message, file, line }: EntrepotError): {
  code: ErrorCode;
  message: string;
  file: string | null;
  line: number | null;
} {
  return { code, message, file: file ?? null, line: line ?? null };
}
