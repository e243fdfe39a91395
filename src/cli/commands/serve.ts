/**
 * `entrepot serve`, from the configuration to the end:
 *
 *   SIGTERM, SIGINT   accept no more, let answers under way finish (limits.stop_grace), end with 0
 *   one more          end at once, with 1; the data folder stands that
 *   SIGHUP            read the configuration again, as a change of its files does; the end, if the terminal was closed
 *
 * Signals are handled from the start on: the first process of a container ignores a signal that it has no handler for.
 */
import { isatty } from 'node:tty';
import type { App } from '../../app.ts';
import { createConfigWatch } from '../../config/files/config-watch.ts';
import { type LoadOptions, loadWhatIsRight, wholeConfig } from '../../config/load.ts';
import { systemClock } from '../../lib/clock.ts';
import { createLog, type ProgramLog } from '../../telemetry/log.ts';
import { createLogOutput } from '../../telemetry/log-output.ts';
import { textLines } from '../../telemetry/text-lines.ts';
import { watchFaults } from '../output/faults.ts';
import type { ExitCode } from '../output/result.ts';
import { welcome } from '../output/welcome.ts';
import { createReloads, logWarnings } from '../reload-triggers.ts';
import { readVersion } from '../version.ts';

/** A terminal's Ctrl-C reaches npm as well, which passes it on: the same signal within so many ms is the same one. */
const echo = 1000;
/** ms that the end waits for the last lines of the log to be written. */
const lastLines = 1000;

/** Resolves when the server has stopped. Throws EntrepotError for what makes a start impossible. */
export async function serve(options: LoadOptions): Promise<ExitCode> {
  const watch = createConfigWatch({
    clock: systemClock,
    isWanted: () => reloads.config.server.reloadOnChange,
  });
  const read = async () => wholeConfig(await watch.read(() => loadWhatIsRight(options)));
  const config = await read();
  const output = createLogOutput(1);
  process.on('exit', output.flushSync);
  const isText = (config.server.log.format ?? (process.stdout.isTTY ? 'text' : 'json')) === 'text';
  const log = createLog({ level: config.server.log.level, to: isText ? textLines(output) : output });
  watchFaults(log);
  const stopAsked = watchStopSignals(log);
  const serving = Promise.withResolvers<App>();
  const reloads = createReloads({ app: serving.promise, log, read }, config);
  process.on('SIGHUP', (signal) => {
    if (!isTerminalClosed()) reloads.ask({ signal });
  });
  logWarnings(log, config);

  // Only now: this loads native modules, which other commands and a wrong configuration can do without.
  const { createApp } = await import('../../app.ts');
  const version = readVersion();
  const app = await createApp(config, {
    log,
    env: options.env,
    version,
    droppedLogLines: () => output.dropped,
  });
  const { host, port } = await app.start();
  serving.resolve(app);
  watch.start((changed) => reloads.ask({ changed }));
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const { data, tls } = config.server;
  log.info(
    { address, tls: tls.certificate !== undefined, data, registries: config.registries.files, version },
    'listening',
  );
  if (isText) output.write(welcome(config, address, explainCommand(options.flags)));

  const signal = await stopAsked;
  watch.stop();
  log.info({ signal }, 'stopping');
  const { cut } = await app.stop();
  log.info({ cut }, 'stopped');
  await output.flush(lastLines);
  return 0;
}

/** As a person has to type it to have it read the files that this server reads. */
function explainCommand(flags: LoadOptions['flags']): string {
  // From a checkout, the name on the PATH is not there.
  const program = process.argv[1]?.endsWith('.ts') ? './entrepot' : 'entrepot';
  const files = {
    '--registries': flags.registries,
    '--registries-dir': flags.registriesDir,
    '--config': flags.config,
  };
  const given = Object.entries(files).flatMap(([flag, file]) =>
    file === undefined ? [] : [`${flag} ${file}`],
  );
  return [program, 'explain', ...given].join(' ');
}

function watchStopSignals(log: ProgramLog): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let first: { signal: NodeJS.Signals; at: number } | undefined;
  const hear = (signal: NodeJS.Signals) => {
    if (!first) {
      first = { signal, at: performance.now() };
      resolve(signal);
    } else if (signal !== first.signal || performance.now() - first.at > echo) {
      log.warn({ signal }, 'stopping at once');
      process.exit(1);
    }
  };
  process.on('SIGTERM', hear);
  process.on('SIGINT', hear);
  process.on('SIGHUP', (signal) => {
    if (isTerminalClosed()) hear(signal);
  });
  return promise;
}

/** Standard output was a terminal, and is none any more: its window was closed. */
function isTerminalClosed(): boolean {
  return process.stdout.isTTY && !isatty(1);
}
