/**
 * The one class of errors that users see, and the closed list of its codes. Any other error that is thrown is a bug. Upstream outcomes
 * are values (`upstream/outcome.ts`), not errors.
 */
export const errorCodes = {
  BUSY: 'too much is under way',
  BUNDLE_INVALID: 'a file of a bundle, or a backup, cannot be used',
  BUNDLE_UNWRITABLE: 'a bundle or a backup cannot be written there',
  USAGE: 'the command line is wrong',
  CONFIG_CHANGED: 'a configuration file has changed since it was opened',
  CONFIG_INVALID: 'a configuration file cannot be used',
  CONFIG_UNREADABLE: 'a configuration file cannot be read',
  CREDENTIALS_UNUSABLE: 'an auth file or a credential helper cannot be used',
  NOT_CACHED: 'the cache has no such image',
  PINNED: 'the image is pinned',
  REFERENCE_INVALID: 'an image reference does not follow the grammar',
  REWRITE_INVALID: 'rewriting a reference to an endpoint gives no valid reference',
  DENIED: 'the server does not allow it',
  DATA_LOCKED: 'another process holds the data folder',
  DATA_UNUSABLE: 'the data folder cannot be used',
  FACTS_UNAVAILABLE: 'what replicas share cannot be asked now',
  FACTS_TOO_NEW: 'the database of shared facts was made by a newer Entrepot',
  INDEX_TOO_NEW: 'the index was written by a newer Entrepot',
  LISTEN_FAILED: 'the address cannot be listened on',
  OUTPUT_UNUSABLE: 'a file for other programs cannot be written',
  SERVER_UNREACHABLE: 'the server that a command was sent to does not answer as Entrepot does',
  TLS_UNUSABLE: 'a certificate or key cannot be used',
} as const;

export type ErrorCode = keyof typeof errorCodes;

export interface ErrorContext {
  /** The file that the error is about, as the user wrote it or as the search found it. */
  readonly file?: string | undefined;
  /** 1-based. */
  readonly line?: number | undefined;
  readonly cause?: unknown;
}

export class EntrepotError extends Error {
  readonly code: ErrorCode;
  readonly file: string | undefined;
  readonly line: number | undefined;

  /** `message` says what is wrong with which value, and what to do; file and line belong in `context`. */
  constructor(code: ErrorCode, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.name = 'EntrepotError';
    this.code = code;
    this.file = context.file;
    this.line = context.line;
  }

  /** `FILE:LINE: message`, as a person reads it. */
  get located(): string {
    if (this.file === undefined) return this.message;
    return this.line === undefined
      ? `${this.file}: ${this.message}`
      : `${this.file}:${this.line}: ${this.message}`;
  }
}

/** One error with the messages of all `errors`; code, file and line are those of the first. Throws TypeError if there is none. */
export function joinErrors(errors: readonly EntrepotError[]): EntrepotError {
  const [first, ...others] = errors;
  if (!first) throw new TypeError('there is no error to tell');
  if (others.length === 0) return first;
  const message = [first.message, ...others.map((error) => error.located)].join('\n');
  return new EntrepotError(first.code, message, { file: first.file, line: first.line, cause: first });
}

/** What `work` gives; undefined where it throws an EntrepotError, which goes to `errors`. Other errors are bugs and go on. */
export function attempt<T>(errors: EntrepotError[], work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof EntrepotError)) throw error;
    errors.push(error);
    return undefined;
  }
}
