/**
 * Errors that no code caught, while the server runs:
 *
 *   unhandledRejection   logged, and the server goes on: one piece of work failed that no other work waits for. To exit would
 *                        cut every running answer. Nothing enters the cache unverified anyway.
 *   uncaughtException    logged, then exit with 1: a function ended halfway, so the state of the process is unknown. The data
 *                        folder survives a kill, and the supervisor of the process starts it again.
 *
 * Messages of libraries may quote URLs and headers. Possible secrets are removed from them.
 */
import type { ProgramLog } from '../../telemetry/log.ts';

export interface DescribedFault {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
}

/** Handles both for the rest of the process. */
export function watchFaults(log: ProgramLog): void {
  process.on('unhandledRejection', (reason) => {
    log.error(
      { event: 'process.unhandledRejection', fault: describeFault(reason) },
      'unhandled rejection: please report it',
    );
  });
  process.on('uncaughtException', (error) => {
    log.fatal(
      { event: 'process.uncaughtException', fault: describeFault(error) },
      'uncaught exception: please report it',
    );
    process.exit(1);
  });
}

/** Only name, message, code and stack: other fields of an error may hold a complete request. */
export function describeFault(thrown: unknown): DescribedFault {
  if (!(thrown instanceof Error)) return { name: typeof thrown, message: withoutSecrets(String(thrown)) };
  const { name, message, stack } = thrown;
  return {
    name,
    message: withoutSecrets(message),
    ...('code' in thrown && typeof thrown.code === 'string' && { code: thrown.code }),
    ...(stack !== undefined && { stack: withoutSecrets(stack) }),
  };
}

/** Removes user info and queries of URLs, and the value after the name of an authorization scheme. */
function withoutSecrets(text: string): string {
  return text
    .replaceAll(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@'"]*@/gi, '$1')
    .replaceAll(/\b([a-z][a-z0-9+.-]*:\/\/[^\s?#'"]*)\?[^\s'")]*/gi, '$1?...')
    .replaceAll(/\b(Basic|Bearer)\s+[A-Za-z0-9._~+/=-]+/gi, '$1 ...');
}
