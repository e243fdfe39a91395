/**
 * Programs of the system: which are missing, run to their end, or started and waited for until they are ready. They see
 * the environment they are given and nothing else: no configuration, credentials or proxy of the user.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type RunningProcess, run as runToEnd, startProcess } from '../../support/processes.ts';

export type Environment = Readonly<Record<string, string>>;

export interface Program extends RunningProcess {
  /** The first group of the expression that said it was ready. */
  readonly announced: string;
}

/** Daemons are where only an administrator's PATH looks. */
export const searchPath: string = [process.env.PATH, '/usr/local/sbin', '/usr/sbin', '/sbin'].join(delimiter);

/** Standard output. Rejects with the program's own words when it fails. */
export async function run(program: string, args: readonly string[], env: Environment): Promise<string> {
  const { code, stdout, stderr } = await runToEnd('env', alone(program, args, env));
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${stderr}${stdout}`);
  return stdout;
}

/** Resolves when a line of the program's output matches `ready`. */
export async function start(
  program: string,
  args: readonly string[],
  env: Environment,
  ready: RegExp,
): Promise<Program> {
  const running = startProcess('env', alone(program, args, env));
  const line = await running.line(ready);
  return Object.defineProperty(running, 'announced', { value: line.match(ready)?.[1] ?? '' }) as Program;
}

/** Arguments of `env`, which becomes the program: signals and exit codes are the program's own. */
function alone(program: string, args: readonly string[], env: Environment): readonly string[] {
  const variables = Object.entries({ PATH: searchPath, ...env }).map(([name, value]) => `${name}=${value}`);
  return ['-i', ...variables, program, ...args];
}

/** Those of `programs` that are not installed. */
export function missing(programs: readonly string[]): readonly string[] {
  const folders = searchPath.split(delimiter);
  return programs.filter((program) => !folders.some((folder) => isProgram(join(folder, program))));
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
