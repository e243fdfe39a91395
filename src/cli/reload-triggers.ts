/**
 * Reads the configuration again on SIGHUP and when its files change. Reloads run one after the other. A configuration that
 * cannot be used is logged, and the running one stays in force.
 */
import type { App } from '../app.ts';
import type { Config } from '../config/config.ts';
import { EntrepotError } from '../errors.ts';
import type { ProgramLog } from '../telemetry/log.ts';
import { describeFault } from './output/faults.ts';

/** The cause of a reload, for the log. */
export interface ReloadCause {
  readonly signal?: string;
  /** Files that were added, removed or changed. */
  readonly changed?: readonly string[];
  /** What has changed them and asks for the reload. */
  readonly by?: string;
}

export interface Reloads {
  /**
   * Starts a reload. Calls before it has begun share it, and their causes are logged together. Resolves when it is over: with the error
   * of a reload that was refused, else with undefined.
   */
  ask(cause: ReloadCause): Promise<unknown>;
  /** The same, as a promise that rejects with the error of a reload that was refused. `by`: what has changed the files. */
  now(by: string): Promise<void>;
  /** The configuration in force. */
  readonly config: Config;
  /** Whether the last reload was refused. */
  readonly isRefused: boolean;
}

/** `first`: the configuration that the app was made with. `read` throws EntrepotError for one that cannot be used. */
export function createReloads(
  deps: {
    /** Resolves when the server listens; a reload waits for that. */
    readonly app: Promise<Pick<App, 'reload' | 'reloadRefused'>>;
    readonly read: () => Promise<Config>;
    readonly log: ProgramLog;
    /** Called once a new configuration is in force. */
    readonly done?: () => void;
  },
  first: Config,
): Reloads {
  const { read, log } = deps;
  let config = first;
  let isRefused = false;
  let last: Promise<unknown> = deps.app;
  let waiting: ReloadCause | undefined;

  async function reload(): Promise<unknown> {
    const app = await deps.app;
    const cause = waiting;
    waiting = undefined;
    try {
      const next = await read();
      await app.reload(next);
      config = next;
      isRefused = false;
      deps.done?.();
      log.level = next.server.log.level;
      logWarnings(log, next);
      log.info(
        { event: 'config.reloaded', ...cause, registries: next.registries.files },
        'configuration reloaded',
      );
      return undefined;
    } catch (error) {
      isRefused = true;
      app.reloadRefused();
      logRefused(log, error, cause);
      return error;
    }
  }

  function ask(cause: ReloadCause): Promise<unknown> {
    if (!waiting) last = last.then(reload);
    const changed = [...new Set([...(waiting?.changed ?? []), ...(cause.changed ?? [])])];
    waiting = { ...waiting, ...cause, ...(changed.length > 0 && { changed }) };
    return last;
  }

  return {
    ask,
    async now(by) {
      const error = await ask({ by });
      if (error !== undefined) throw error;
    },
    get config() {
      return config;
    },
    get isRefused() {
      return isRefused;
    },
  };
}

/** One line for each warning. */
export function logWarnings(log: ProgramLog, { warnings }: Config): void {
  for (const { file, line, message } of warnings) log.warn({ event: 'config.warning', file, line }, message);
}

function logRefused(log: ProgramLog, error: unknown, cause: ReloadCause | undefined): void {
  const what = 'configuration not reloaded, the old one stays';
  if (error instanceof EntrepotError) {
    const { code, file, line, message } = error;
    log.error({ event: 'config.refused', ...cause, code, file, line }, `${what}: ${message}`);
  } else {
    log.error({ event: 'config.refused', ...cause, fault: describeFault(error) }, what);
  }
}
