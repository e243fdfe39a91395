/** The whole program in this process: configuration as text, a data folder of its own, a free port. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type App, type AppDeps, createApp } from '../../src/app.ts';
import type { Config } from '../../src/config/config.ts';
import { type LoadOptions, loadConfig } from '../../src/config/load.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { patientClock } from './clock.ts';
import { type Cleanup, tempFolder } from './temp-folder.ts';

export interface RunningApp {
  /** `http://127.0.0.1:PORT`, or `https:` where entrepot.toml has `[tls]`. */
  readonly url: string;
  /** The folder that holds registries.conf, entrepot.toml and data/. */
  readonly folder: string;
  readonly data: string;
  readonly app: App;
  /** Log lines so far, parsed. */
  readonly log: Record<string, unknown>[];
  stop(): Promise<{ cut: number }>;
  /** Where its configuration comes from. */
  readonly options: LoadOptions;
  /** Writes new configuration and puts it in force. */
  reload(wanted: Wanted): Promise<void>;
}

/** Texts of files that are other ones from now on, and flags. */
interface Wanted {
  readonly registries?: string;
  readonly toml?: string;
  readonly authJson?: string;
  readonly listen?: string;
  readonly data?: string;
}

export interface AppFiles {
  readonly registries: string;
  readonly toml?: string;
  readonly authJson?: string;
  /** Default: a free port. */
  readonly listen?: string;
  /** To start again on what an earlier one left. */
  readonly folder?: string;
  /** Variables that configuration is read from, such as HTTPS_PROXY. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Starts an app; it is stopped when the test is over. Its clock is patient: a test that waits for a hedge, a timeout or a breaker
 * moves a manual clock, or asks for the system clock.
 */
export async function startApp(
  test: Cleanup,
  files: AppFiles,
  deps: Partial<AppDeps> = {},
): Promise<RunningApp> {
  const folder = files.folder ?? tempFolder(test);
  const lines: Record<string, unknown>[] = [];
  const log = createLog({
    level: 'debug',
    to: {
      write(line: string) {
        lines.push(JSON.parse(line) as Record<string, unknown>);
      },
    },
  });
  const path = (name: string): string => join(folder, name);
  const optionsFor = (wanted: Wanted): LoadOptions => ({
    flags: {
      registries: path('registries.conf'),
      config: path('entrepot.toml'),
      data: wanted.data ?? path('data'),
      listen: wanted.listen ?? files.listen ?? '127.0.0.1:0',
    },
    env: {
      ...files.env,
      ...(files.authJson !== undefined && { REGISTRY_AUTH_FILE: path('auth.json') }),
    },
    home: folder,
    uid: 1000,
    cwd: folder,
    root: folder,
  });
  const load = (wanted: Wanted): Config => {
    if (wanted.registries !== undefined) writeFileSync(path('registries.conf'), wanted.registries);
    if (wanted.toml !== undefined) writeFileSync(path('entrepot.toml'), wanted.toml);
    if (wanted.authJson !== undefined) writeFileSync(path('auth.json'), wanted.authJson);
    return loadConfig(optionsFor(wanted));
  };
  const config = load({ toml: '', ...files });
  const reload = (wanted: Wanted = {}): Promise<void> => app.reload(load(wanted));
  const configuration = { options: () => optionsFor({}), reload };
  const app = await createApp(config, { log, env: {}, clock: patientClock, configuration, ...deps });
  let stopping: Promise<{ cut: number }> | undefined;
  const stop = (): Promise<{ cut: number }> => {
    stopping ??= app.stop();
    return stopping;
  };
  test.after(async () => {
    await stop();
  });
  const { port } = await app.start();
  return {
    url: `${config.server.tls.certificate === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    folder,
    data: join(folder, 'data'),
    app,
    options: optionsFor({}),
    log: lines,
    stop,
    reload,
  };
}
