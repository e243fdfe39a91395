/**
 * The configuration is read again: on SIGHUP, and when its files change. One reload after the other; one that cannot be used
 * is reported and kept out, and what was in force stays so.
 */
import type { App } from '../app.ts';
import type { Config } from '../config/config.ts';
import { EntrepotError } from '../errors.ts';
import type { ProgramLog } from '../telemetry/log.ts';
import { describeFault } from './output/faults.ts';

/** What made it necessary, for the log. */
export interface ReloadCause {
  readonly signal?: string;
  /** Files that were added, removed or changed. */
  readonly changed?: readonly string[];
}

export interface Reloads {
  /** Asks for a reload. Those that ask before it has begun share it. */
  ask(cause: ReloadCause): void;
  /** What is in force. */
  readonly config: Config;
}

export function createReloads(
  deps: {
    /** Resolves when it serves: a reload waits for that. */
    readonly app: Promise<Pick<App, 'reload' | 'reloadRefused'>>;
    readonly read: () => Promise<Config>;
    readonly log: ProgramLog;
  },
  first: Config,
): Reloads {
  const { read, log } = deps;
  let config = first;
  let last: Promise<unknown> = deps.app;
  let waiting: ReloadCause | undefined;

  async function reload(): Promise<void> {
    const app = await deps.app;
    const cause = waiting;
    waiting = undefined;
    try {
      const next = await read();
      await app.reload(next);
      config = next;
      log.level = next.server.log.level;
      logWarnings(log, next);
      log.info({ ...cause, registries: next.registries.files }, 'configuration reloaded');
    } catch (error) {
      app.reloadRefused();
      logRefused(log, error, cause);
    }
  }

  return {
    ask(cause) {
      if (!waiting) last = last.then(reload);
      waiting = { ...waiting, ...cause };
    },
    get config() {
      return config;
    },
  };
}

export function logWarnings(log: ProgramLog, { warnings }: Config): void {
  for (const { file, line, message } of warnings) log.warn({ file, line }, message);
}

function logRefused(log: ProgramLog, error: unknown, cause: ReloadCause | undefined): void {
  const what = 'configuration not reloaded, the old one stays';
  if (error instanceof EntrepotError) {
    const { code, file, line, message } = error;
    log.error({ ...cause, code, file, line }, `${what}: ${message}`);
  } else {
    log.error({ ...cause, fault: describeFault(error) }, what);
  }
}
