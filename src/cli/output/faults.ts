/**
 * What becomes of errors that nobody caught, while clients are being served:
 *
 *   unhandledRejection   logged, and on it goes: what failed was one piece of work that nobody waits for. Ending would cut
 *                        every answer under way, and nothing gets into the cache unverified anyway.
 *   uncaughtException    logged, then the end (1): some function was left halfway, so the state of the process is unknown.
 *                        The data folder stands a kill, and whatever supervises the process starts it again.
 *
 * Messages of libraries may quote URLs and headers. What could be a secret in them is taken out.
 */
import type { ProgramLog } from '../../telemetry/log.ts';

export interface DescribedFault {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
}

export function watchFaults(log: ProgramLog): void {
  process.on('unhandledRejection', (reason) => {
    log.error({ fault: describeFault(reason) }, 'unhandled rejection: please report it');
  });
  process.on('uncaughtException', (error) => {
    log.fatal({ fault: describeFault(error) }, 'uncaught exception: please report it');
    process.exit(1);
  });
}

/** Name, message, code and stack only: the other fields of an error may hold whole requests. */
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

/** User info and queries of URLs, and what follows the name of an authorization scheme. */
function withoutSecrets(text: string): string {
  return text
    .replaceAll(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@'"]*@/gi, '$1')
    .replaceAll(/\b([a-z][a-z0-9+.-]*:\/\/[^\s?#'"]*)\?[^\s'")]*/gi, '$1?...')
    .replaceAll(/\b(Basic|Bearer)\s+[A-Za-z0-9._~+/=-]+/gi, '$1 ...');
}
