/**
 * The credential helper protocol (docker/docker-credential-helpers): `docker-credential-NAME get` with the server on
 * stdin answers `{"ServerURL","Username","Secret"}` and exit 0, or exit 1 with a message on stdout, of which one
 * fixed text means "no credentials". The username `<token>` says that the secret is an identity token.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { EntrepotError } from '../errors.ts';
import { SingleFlight } from '../lib/single-flight.ts';
import { parseJson } from '../oci/parse-json.ts';
import type { Environment } from './proxy-env.ts';
import { systemCode } from './text-file.ts';

/** Undefined: the helper has no credentials for this server. */
export type HelperAnswer = { readonly username: string; readonly secret: string } | undefined;

export type RunHelper = (name: string, server: string) => Promise<HelperAnswer>;

const notFoundText = 'credentials not found in native keychain';
const maxOutputBytes = 256 * 1024;
const defaultTimeout = 30_000;

/** `timeout` in milliseconds. Failures are EntrepotError CREDENTIALS_UNUSABLE and never quote an answer. */
export function createCredentialHelper(options: { env: Environment; timeout?: number }): RunHelper {
  const { env, timeout = defaultTimeout } = options;
  const flights = new SingleFlight<HelperAnswer>();

  async function ask(program: string, server: string): Promise<HelperAnswer> {
    const { error, stdout } = await run(program, server, {
      env: { ...env },
      timeout,
      maxBuffer: maxOutputBytes,
    });
    if (!error) return parseAnswer(program, server, stdout);
    if (stdout.trim() === notFoundText) return undefined;
    // Without a cause: that would hold what the program wrote.
    throw unusable(`${program} gave no credentials for ${server}: ${problem(error, stdout, timeout, env)}`);
  }

  // One pull looks up the same host many times at once, and a helper may well open a window.
  return async (name, server) => {
    const program = helperProgram(name);
    return await flights.run(`${program} ${server}`, () => ask(program, server));
  };
}

/** The program that a helper's name stands for. Throws EntrepotError CREDENTIALS_UNUSABLE for a name that is none. */
export function helperProgram(name: string): string {
  if (/^[A-Za-z0-9._-]+$/.test(name)) return `docker-credential-${name}`;
  const shown = JSON.stringify(name.slice(0, 80));
  throw unusable(`the credential helper name ${shown} may have letters, digits, ".", "_" and "-" only`);
}

/** Where the program is, or undefined where no folder of PATH has it. */
export function findProgram(program: string, env: Environment): string | undefined {
  const folders = (env.PATH ?? '').split(delimiter);
  return folders
    .filter(Boolean)
    .map((folder) => join(folder, program))
    .find(isExecutable);
}

interface Ended {
  readonly error: (Error & { code?: unknown; killed?: boolean }) | null;
  readonly stdout: string;
}

function run(
  program: string,
  server: string,
  options: { env: Record<string, string | undefined>; timeout: number; maxBuffer: number },
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(program, ['get'], { ...options, killSignal: 'SIGKILL' }, (error, stdout) => {
      resolve({ error, stdout });
    });
    // A helper may end without reading the server's name; its answer counts all the same.
    child.stdin?.on('error', () => {});
    child.stdin?.end(server);
  });
}

function parseAnswer(program: string, server: string, stdout: string): HelperAnswer {
  const parsed = parseJson(stdout);
  const answer = parsed.ok ? parsed.value : undefined;
  const username = textField(answer, 'username');
  const secret = textField(answer, 'secret');
  if (username === undefined || secret === undefined) {
    throw unusable(
      `${program} gave no valid answer for ${server}: JSON with Username and Secret is expected`,
    );
  }
  return username === '' && secret === '' ? undefined : { username, secret };
}

/** Names of fields match without regard to case, as in Go; an absent one is empty. */
function textField(answer: unknown, lowerName: string): string | undefined {
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) return undefined;
  const found = Object.entries(answer).findLast(([key]) => key.toLowerCase() === lowerName);
  const value = found?.[1] ?? '';
  return typeof value === 'string' ? value : undefined;
}

function problem(
  error: NonNullable<Ended['error']>,
  stdout: string,
  timeout: number,
  env: Environment,
): string {
  const code = systemCode(error);
  if (code === 'ENOENT')
    return `there is no such program in PATH (${env.PATH ?? 'unset'}): install it or extend PATH`;
  if (code === 'EACCES') return 'the program may not be executed';
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER')
    return `its answer is longer than ${maxOutputBytes} bytes`;
  if (error.killed) return `it did not end within ${timeout} ms`;
  const said =
    stdout
      .trim()
      .split(/[\r\n]/)[0]
      ?.replaceAll(/[\x00-\x1f\x7f]/g, ' ') ?? '';
  // By the protocol this is a message; something that looks like an answer is not repeated.
  const message = said === '' || /[{}]|secret/i.test(said) ? '' : `: ${said.slice(0, 200)}`;
  return `it ended with ${typeof error.code === 'number' ? `exit code ${error.code}` : (code ?? 'a signal')}${message}`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function unusable(message: string): EntrepotError {
  return new EntrepotError('CREDENTIALS_UNUSABLE', message);
}
