/**
 * The credential helper protocol (docker/docker-credential-helpers). `docker-credential-NAME get` reads the server from stdin. It
 * prints `{"ServerURL","Username","Secret"}` and exits with 0, or prints a message and exits with 1. One fixed message means "no
 * credentials". The username `<token>` says that the secret is an identity token.
 */
import { type ChildProcess, execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { EntrepotError } from '../../errors.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { SingleFlight } from '../../lib/flow/single-flight.ts';
import { foreignWords } from '../../lib/foreign-words.ts';
import { systemCode } from '../../lib/thrown.ts';
import { parseJson } from '../../oci/parse-json.ts';
import type { Environment } from '../proxy-env.ts';

/** Undefined: the helper has no credentials for this server. */
export type HelperAnswer = { readonly username: string; readonly secret: string } | undefined;

/** `name` is the N of docker-credential-N. Rejects with EntrepotError CREDENTIALS_UNUSABLE. */
export type RunHelper = (name: string, server: string) => Promise<HelperAnswer>;

const notFoundText = 'credentials not found in native keychain';
const maxOutputBytes = 256 * 1024;
const defaultTimeout = 30_000;
/** Milliseconds. A program may wait for a person to type, but not without end. */
const defaultLongest = 10 * 60_000;
/** Milliseconds. An answer that comes after its callers have given up is kept so long for the next one. */
const lateAnswerFor = 60_000;

/**
 * A caller waits for `timeout` ms. The program runs on for up to `longest` ms, and its late answer is for the next caller. Errors are
 * EntrepotError CREDENTIALS_UNUSABLE and never quote an answer.
 */
export function createCredentialHelper(options: {
  env: Environment;
  timeout?: number;
  longest?: number;
  clock?: Clock;
}): RunHelper {
  const { env, timeout = defaultTimeout, longest = defaultLongest, clock = systemClock } = options;
  const flights = new SingleFlight<HelperAnswer>();
  /** Running programs, by program and server. */
  const running = new Map<string, ChildProcess>();
  const late = new Map<string, { answer: HelperAnswer; until: number }>();

  async function ask(key: string, program: string, server: string): Promise<HelperAnswer> {
    const { child, end } = run(program, server, {
      env: { ...env },
      timeout: longest,
      maxBuffer: maxOutputBytes,
    });
    running.set(key, child);
    const ended = await end;
    running.delete(key);
    const { error, stdout } = ended;
    if (!error) return parseAnswer(program, server, stdout);
    if (stdout.trim() === notFoundText) return undefined;
    const message = `${program} gave no credentials for ${server}: ${problem(error, ended, longest, env)}`;
    // Any other cause would hold what the program wrote.
    throw unusable(message, systemCode(error) === 'ENOENT' ? error : undefined);
  }

  /** Callers for one server share a run: a pull looks up the same host many times at once, and a helper may open a window. */
  async function join(key: string, program: string, server: string): Promise<HelperAnswer> {
    const flight = flights.run(key, () => ask(key, program, server));
    const { promise: isOver, resolve } = Promise.withResolvers<'over'>();
    const limit = clock.after(timeout, () => resolve('over'));
    try {
      const first = await Promise.race([flight.then((answer) => ({ answer })), isOver]);
      if (first !== 'over') return first.answer;
    } finally {
      limit.cancel();
    }
    const keep = (answer: HelperAnswer) =>
      late.set(key, { answer, until: clock.monotonic() + lateAnswerFor });
    flight.then(keep, () => {});
    const child = running.get(key);
    // No caller waits for the program any more, so it must not keep this process alive.
    for (const handle of [child, child?.stdin, child?.stdout, child?.stderr]) unref(handle);
    const waited = `it did not answer within ${timeout} ms`;
    throw unusable(
      `${program} gave no credentials for ${server}: ${waited}; it goes on for the next request`,
    );
  }

  return async (name, server) => {
    const program = helperProgram(name);
    const key = `${program} ${server}`;
    const kept = late.get(key);
    late.delete(key);
    return kept && clock.monotonic() < kept.until ? kept.answer : await join(key, program, server);
  };
}

/** `docker-credential-NAME`. Throws EntrepotError CREDENTIALS_UNUSABLE if `name` has characters that no helper's name has. */
export function helperProgram(name: string): string {
  if (/^[A-Za-z0-9._-]+$/.test(name)) return `docker-credential-${name}`;
  const shown = JSON.stringify(name.slice(0, 80));
  throw unusable(`the credential helper name ${shown} may have letters, digits, ".", "_" and "-" only`);
}

/** The path of the program; undefined if no folder of PATH has it. */
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
  readonly stderr: string;
}

function run(
  program: string,
  server: string,
  options: { env: Record<string, string | undefined>; timeout: number; maxBuffer: number },
): { child: ChildProcess; end: Promise<Ended> } {
  const { promise: end, resolve } = Promise.withResolvers<Ended>();
  const child = execFile(program, ['get'], { ...options, killSignal: 'SIGKILL' }, (error, stdout, stderr) =>
    resolve({ error, stdout, stderr }),
  );
  // A helper may end without reading its input. Its answer still counts.
  child.stdin?.on('error', () => {});
  child.stdin?.end(server);
  return { child, end };
}

/** `handle` is a process or one of its pipes, which are sockets. */
function unref(handle: unknown): void {
  if (
    typeof handle === 'object' &&
    handle !== null &&
    'unref' in handle &&
    typeof handle.unref === 'function'
  ) {
    handle.unref();
  }
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

/** As in Go, names of fields match without regard to case, and an absent field is empty. */
function textField(answer: unknown, lowerName: string): string | undefined {
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) return undefined;
  const found = Object.entries(answer).findLast(([key]) => key.toLowerCase() === lowerName);
  const value = found?.[1] ?? '';
  return typeof value === 'string' ? value : undefined;
}

function problem(
  error: NonNullable<Ended['error']>,
  { stdout, stderr }: Ended,
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
  // The protocol puts the message on stdout; some programs write it to stderr.
  const said = stdout.trim() === '' ? stderr : stdout;
  const line = said.split(/[\r\n]+/).find((text) => text.trim() !== '') ?? '';
  // Text that looks like an answer may hold a secret.
  const isAnswer = /[{}]|secret"?\s*[:=]/i.test(said);
  const words = isAnswer ? '' : foreignWords(line, { max: 200 });
  const message = words === '' ? '' : `: ${words}`;
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

function unusable(message: string, cause?: Error): EntrepotError {
  return new EntrepotError('CREDENTIALS_UNUSABLE', message, { cause });
}
