/**
 * SIGHUP: the configuration is read again, one reload after the other. One that cannot be used is reported and kept out, and
 * what was in force stays so.
 */
import type { App } from '../app.ts';
import type { Config } from '../config/config.ts';
import { EntrepotError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import { describeFault } from './faults.ts';

export interface Reloads {
  /** Asks for a reload. Those that ask before it has begun share it. */
  ask(): void;
}

export function createReloads(deps: {
  /** Resolves when it serves: a reload waits for that. */
  readonly app: Promise<Pick<App, 'reload' | 'reloadRefused'>>;
  readonly load: () => Config;
  readonly log: Log;
}): Reloads {
  const { load, log } = deps;
  let last: Promise<unknown> = deps.app;
  let isWaiting = false;

  async function reload(): Promise<void> {
    const app = await deps.app;
    isWaiting = false;
    try {
      const config = load();
      await app.reload(config);
      log.level = config.server.log.level;
      logWarnings(log, config);
      log.info({ registries: config.registries.files }, 'configuration reloaded');
    } catch (error) {
      app.reloadRefused();
      logRefused(log, error);
    }
  }

  return {
    ask() {
      if (isWaiting) return;
      isWaiting = true;
      last = last.then(reload);
    },
  };
}

export function logWarnings(log: Log, { warnings }: Config): void {
  for (const { file, line, message } of warnings) log.warn({ file, line }, message);
}

function logRefused(log: Log, error: unknown): void {
  const what = 'configuration not reloaded, the old one stays';
  if (error instanceof EntrepotError) {
    const { code, file, line, message } = error;
    log.error({ code, file, line }, `${what}: ${message}`);
  } else {
    log.error({ fault: describeFault(error) }, what);
  }
}
