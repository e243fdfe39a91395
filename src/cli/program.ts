/**
 * The command line: parses flags, runs the command, prints its result to standard output, and an error to standard error as
 * `entrepot: FILE:LINE: MESSAGE`. `output/result.ts` has the exit codes. Commands are imported when they run: `explain` takes
 * half the time without the HTTP client and the log.
 */
import { Command, CommanderError, Option } from 'commander';
import { type Explanation, explanationAsJson } from '../admin/explanation.ts';
import type { LoadOptions } from '../config/load.ts';
import type { ConfigFlags } from '../config/overrides.ts';
import { EntrepotError } from '../errors.ts';
import type { Attempt } from '../upstream/outcome.ts';
import { addBackupCommands } from './commands/backup-commands.ts';
import { addBundleCommands } from './commands/bundle-commands.ts';
import { addCacheCommands } from './commands/cache-commands.ts';
import { check } from './commands/check.ts';
import type { CommandSeam } from './commands/command-seam.ts';
import { addCompletionCommand } from './commands/completion-command.ts';
import { addEventCommands } from './commands/event-commands.ts';
import { type ExplainFailure, explain, failureAsJson } from './commands/explain.ts';
import { addImportCommand } from './commands/import-command.ts';
import { addJobCommands } from './commands/job-commands.ts';
import { addRenderCommand } from './commands/render-command.ts';
import { addReplicaCommands } from './commands/replica-commands.ts';
import { addTokenCommands } from './commands/token-commands.ts';
import { readEnvironment } from './environment.ts';
import { examples } from './output/examples.ts';
import { explanationAsText } from './output/explanation-text.ts';
import { printable } from './output/printable.ts';
import { type ExitCode, exitCodeOf, type Result } from './output/result.ts';
import { readVersion } from './version.ts';

const afterHelp = `
A flag wins over its ENTREPOT_* variable, and a variable over entrepot.toml.
docs/configuration.md has all settings; "entrepot check" shows those in force.
Exit codes: 0 done, 1 failed, 2 bad usage or unusable configuration, 3 done in part.`;

const logLevels = ['debug', 'info', 'warn', 'error'];
const logFormats = ['text', 'json'];

/** `args`: the arguments after the program's name. Never throws. */
export async function runProgram(args: readonly string[]): Promise<ExitCode> {
  let exitCode: ExitCode = 0;
  const program = createProgram(args, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has printed the message.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const isKnown = error instanceof EntrepotError;
    process.stderr.write(printable(`entrepot: ${isKnown ? error.located : stackOf(error)}\n`));
    return isKnown ? exitCodeOf(error) : 1;
  }
}

/** `args` are for hints of errors; `end` gets the exit code of the command that has run. */
export function createProgram(args: readonly string[], end: (code: ExitCode) => void): Command {
  const program = new Command('entrepot')
    .description('A pull-through mirror for container images.')
    .version(readVersion(), '--version', 'print the version')
    .helpOption('--help', 'print this help')
    .option('--registries <FILE>', 'read this registries.conf and no other')
    .option('--registries-dir <DIR>', 'read the drop-ins (*.conf) of this directory and no others')
    .option(
      '--policies <DIR>',
      'apply the OpenShift objects (*.yaml, *.json) of this directory to registries.conf',
    )
    .option(
      '--policies-from <SOURCE>',
      'kubernetes: "serve" watches such objects in its cluster; other commands take those that it saw last',
    )
    .option('--config <FILE>', 'read this entrepot.toml')
    .addOption(offering('--log-level <LEVEL>', 'least severe lines to log', logLevels))
    .addOption(offering('--log-format <FORMAT>', 'default: text in a terminal, json elsewhere', logFormats))
    .option('--server <URL>', 'let the command act on this running Entrepot instead of the data folder')
    .option('--token-file <FILE>', 'with --server: file with NAME:SECRET, or with a bearer token')
    .option('--ca-file <FILE>', "with --server: trust the CAs of this PEM file instead of the system's")
    .option('--plain-http', 'with --server: send the token also to a http:// URL of another machine')
    .configureHelp({ showGlobalOptions: true })
    .hook('preAction', (_, command) => refuseServer(command))
    .configureOutput({
      outputError: (text, write) =>
        write(text.replace(/^error: /, 'entrepot: ') + flagHint(text, args, program)),
    })
    .addHelpText('after', afterHelp)
    .exitOverride();

  program
    .command('serve')
    .description('serve clients until SIGTERM or SIGINT; SIGHUP reads the configuration again')
    .option('--listen <HOST:PORT>', 'address to listen on')
    .option('--data <DIR>', 'folder of the cache')
    .addHelpText(
      'after',
      examples('entrepot serve', 'entrepot serve --listen 0.0.0.0:5000 --data /var/lib/entrepot'),
    )
    .action(async (_, command: Command) => {
      const { serve } = await import('./commands/serve.ts');
      end(await serve(loadOptions(command)));
    });

  program
    .command('explain')
    .description('show which endpoints are asked for an image, in order; contacts no host without --probe')
    .argument('<REF>', 'an image, such as quay.io/team/app:1 or alpine')
    .option('--probe', 'ask each endpoint for the image, and show its answer')
    .option('--data <DIR>', 'folder of the cache, which has the tokens that --as knows')
    .option('--as <NAME>', 'show what this account, token or certificate (cn=NAME) may do with the image')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('entrepot explain alpine', 'entrepot explain --probe quay.io/team/app:1'))
    .action(async (reference: string, flags: ExplainFlags & { json?: true }, command: Command) => {
      end(print(await explained(reference, loadOptions(command), flags), flags));
    });

  program
    .command('check')
    .description('show errors of the configuration, and the settings in force; contacts no host')
    .option('--listen <HOST:PORT>', 'as for serve')
    .option('--data <DIR>', 'as for serve')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('entrepot check --config /etc/entrepot/entrepot.toml'))
    .action(async (flags: { json?: true }, command: Command) => {
      end(print(await check(loadOptions(command)), flags));
    });

  program
    .command('health')
    .description('exit with 0 if the server of the data folder answers, else with 1; for health checks')
    .option('--data <DIR>', 'folder of the cache')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('entrepot health --data /var/lib/entrepot'))
    .action(async (flags: { json?: true }, command: Command) => {
      const { health } = await import('./commands/health.ts');
      end(print(await health(loadOptions(command)), flags));
    });

  program
    .command('dashboard')
    .description('print an address that signs a browser in at the dashboard of the running server')
    .option('--url <URL>', 'where the browser reaches the server (default: the address that it listens on)')
    .option('--data <DIR>', 'folder of the cache')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('entrepot dashboard', 'entrepot dashboard --url https://mirror.corp'))
    .action(async (flags: { url?: string; json?: true }, command: Command) => {
      const { dashboard } = await import('./commands/dashboard.ts');
      end(print(await dashboard(flags.url, loadOptions(command)), flags));
    });

  const seam: CommandSeam = { loadOptions, done: (result, flags) => end(print(result, flags)) };
  addCacheCommands(program, seam);
  addBundleCommands(program, seam);
  addTokenCommands(program, seam);
  addJobCommands(program, seam);
  addEventCommands(program, seam);
  addReplicaCommands(program, seam);
  addRenderCommand(program, seam);
  addImportCommand(program, seam);
  addBackupCommands(program, seam);
  addCompletionCommand(program, (result) => end(print(result, {})));
  pointToHelp(program, 'entrepot');
  return program;
}

/** Has an error of usage name the help of the command that it is about. `words`: the program's name and those of the command. */
function pointToHelp(command: Command, words: string): void {
  command.showHelpAfterError(`For help: ${words} --help`);
  for (const one of command.commands) pointToHelp(one, `${words} ${one.name()}`);
}

/** A flag whose choices the help and the completions show. `config/` checks the value, as it does for the variable and the file. */
function offering(flags: string, description: string, choices: readonly string[]): Option {
  return Object.assign(new Option(flags, description), { argChoices: choices });
}

/** The flag that was written without its dashes, which the parser counts as an argument: `serve listen 0.0.0.0:5000`. */
function flagHint(error: string, args: readonly string[], program: Command): string {
  if (!error.startsWith('error: too many arguments')) return '';
  const command = program.commands.find((one) => args.includes(one.name()));
  const flags = [...(command?.options ?? []), ...program.options].map(({ long }) => long);
  const flag = args.map((arg) => `--${arg.split('=', 1)[0]}`).find((meant) => flags.includes(meant));
  return flag === undefined ? '' : `(Did you mean ${flag}?)\n`;
}

/** Commands that read or write files of this machine. All others reach a server through `withAdministration`. */
const localCommands = [
  'sync --from',
  'serve',
  'explain',
  'check',
  'health',
  'dashboard',
  'render',
  'restore',
];

/** Throws EntrepotError USAGE. */
function refuseServer(command: Command): void {
  const { server, from } = command.optsWithGlobals<ConfigFlags & { readonly from?: string }>();
  const name = command.name() === 'sync' && from !== undefined ? 'sync --from' : command.name();
  if (server === undefined || !localCommands.includes(name)) return;
  throw new EntrepotError('USAGE', `${name} works on the files of this machine: leave out --server`);
}

interface ExplainFlags {
  readonly probe?: true;
  readonly as?: string;
}

async function explained(reference: string, options: LoadOptions, flags: ExplainFlags): Promise<Result> {
  const outcome = explain(reference, options, flags.as);
  if (!outcome.ok) return explainFailure(outcome);
  const { explanation } = outcome;
  try {
    const attempts = flags.probe ? await askEach(explanation, options) : undefined;
    return {
      exitCode: 0,
      json: explanationAsJson(explanation, attempts),
      text: await explanationAsText(explanation, attempts),
    };
  } catch (error) {
    // A file that is read only when an endpoint is asked.
    if (error instanceof EntrepotError) return explainFailure({ ok: false, stage: 'load', error });
    throw error;
  }
}

function explainFailure(failure: ExplainFailure): Result {
  const text = `entrepot: ${failure.error.located}\n`;
  return { exitCode: exitCodeOf(failure.error), json: failureAsJson(failure), text, isFailure: true };
}

async function askEach(explanation: Explanation, options: LoadOptions): Promise<readonly Attempt[]> {
  const { probe } = await import('./commands/probe.ts');
  return await probe(explanation, options.env);
}

function print(result: Result, flags: { json?: true }): ExitCode {
  if (!flags.json) process.stderr.write(printable(result.warnings ?? ''));
  if (flags.json) process.stdout.write(`${JSON.stringify(result.json, undefined, 2)}\n`);
  else (result.isFailure ? process.stderr : process.stdout).write(printable(result.text));
  return result.exitCode;
}

function loadOptions(command: Command): LoadOptions {
  return { ...readEnvironment(), flags: command.optsWithGlobals<ConfigFlags>() };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
