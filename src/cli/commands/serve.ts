/**
 * `entrepot serve`, from the configuration to the end:
 *
 *   SIGTERM, SIGINT   accept no more connections, let running answers finish (limits.stop_grace), exit with 0
 *   a second one      exit at once with 1; the data folder survives that
 *   SIGHUP            read the configuration again, as after a change of its files; as SIGTERM if the terminal was closed
 *
 * Handlers are set before anything else: the first process of a container ignores a signal without a handler.
 */
import { isatty } from 'node:tty';
import type { LivePolicies } from '../../app/live-policies.ts';
import type { App } from '../../app.ts';
import { createConfigWatch } from '../../config/files/config-watch.ts';
import { type LoadOptions, loadWhatIsRight, wholeConfig } from '../../config/load.ts';
import { systemClock } from '../../lib/clock.ts';
import { createLog, type ProgramLog } from '../../telemetry/log.ts';
import { createLogOutput, nonBlocking } from '../../telemetry/log-output.ts';
import { textLines } from '../../telemetry/text-lines.ts';
import { firstConfig, followCluster, noObjects } from '../cluster-policies.ts';
import { watchFaults } from '../output/faults.ts';
import type { ExitCode } from '../output/result.ts';
import { welcome } from '../output/welcome.ts';
import { createReloads, logWarnings } from '../reload-triggers.ts';
import { readVersion } from '../version.ts';

/** ms. npm also gets a terminal's Ctrl-C and passes it on: the same signal within this time is the same Ctrl-C. */
const echoTime = 1000;
/** ms to write the last lines of the log. */
const flushTime = 1000;

/** Resolves when the server has stopped. Throws EntrepotError if it cannot start. */
export async function serve(options: LoadOptions): Promise<ExitCode> {
  const watch = createConfigWatch({
    clock: systemClock,
    isWanted: () => reloads.config.server.reloadOnChange,
    isRefused: () => reloads.isRefused,
  });
  let policies: LivePolicies | undefined;
  const current = (): LoadOptions => ({ ...options, clusterObjects: policies?.objects ?? noObjects });
  let readWith = noObjects;
  const load = () => {
    const given = current();
    readWith = given.clusterObjects ?? noObjects;
    return loadWhatIsRight(given);
  };
  const read = async () => wholeConfig(await watch.read(load));
  const withoutCluster = await read();
  const output = createLogOutput(nonBlocking(1));
  process.on('exit', output.flushSync);
  const { level, format } = withoutCluster.server.log;
  const isText = (format ?? (process.stdout.isTTY ? 'text' : 'json')) === 'text';
  const log = createLog({ level, to: isText ? textLines(output) : output });
  watchFaults(log);
  const stopAsked = watchStopSignals(log);
  const version = readVersion();
  policies = await followCluster(withoutCluster, { surroundings: options, log, version });
  const config = policies ? await firstConfig(policies, read) : withoutCluster;
  const used = () => policies?.used(readWith.text);
  used();
  const serving = Promise.withResolvers<App>();
  const reloads = createReloads({ app: serving.promise, log, read, done: used }, config);
  process.on('SIGHUP', (signal) => {
    if (!isTerminalClosed()) reloads.ask({ signal });
  });
  logWarnings(log, config);

  // Imported late: this loads native modules, which a wrong configuration does not need.
  const { createApp } = await import('../../app.ts');
  const app = await createApp(config, {
    log,
    env: options.env,
    version,
    policies: policies?.states,
    configuration: { options: current, reload: () => reloads.now('the dashboard') },
    droppedLogLines: () => output.dropped,
  });
  const { host, port } = await app.start();
  serving.resolve(app);
  watch.start((changed) => reloads.ask({ changed }));
  policies?.start(() => reloads.ask({ changed: ['objects of the cluster'] }));
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const { data, tls } = config.server;
  log.info(
    {
      event: 'server.listening',
      address,
      tls: tls.certificate !== undefined,
      ...(config.fips && { fips: true }),
      data,
      registries: config.registries.files,
      version,
    },
    'listening',
  );
  if (isText) output.write(welcome(config, address, explainCommand(options.flags)));

  const signal = await stopAsked;
  watch.stop();
  log.info({ event: 'server.stopping', signal }, 'stopping');
  await policies?.stop();
  const { cut } = await app.stop();
  log.info({ event: 'server.stopped', cut }, 'stopped');
  await output.flush(flushTime);
  return 0;
}

/** The command line that explains an image with the configuration of this server. */
function explainCommand(flags: LoadOptions['flags']): string {
  // A checkout is not on the PATH.
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
    } else if (signal !== first.signal || performance.now() - first.at > echoTime) {
      log.warn({ event: 'server.killed', signal }, 'stopping at once');
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

/** Standard output was a terminal at the start and is none any more: its window was closed. */
function isTerminalClosed(): boolean {
  return process.stdout.isTTY && !isatty(1);
}
