/** Programs in processes of their own: started, listened to line by line, and surely ended. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join, resolve } from 'node:path';

export interface ProcessOptions {
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** The variables that are passed on. Default: all. */
  readonly inherit?: readonly string[];
  readonly cwd?: string;
}

export interface RunningProcess {
  readonly pid: number;
  /** All that was written so far. */
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves with the first line, past or to come, of either stream that matches; rejects when the process ends before. */
  line(pattern: RegExp): Promise<string>;
  /** Resolves when the process has ended. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  kill(signal?: NodeJS.Signals): void;
  /** Sends `signal` (SIGTERM), then SIGKILL after ten seconds, and waits for the end. */
  stop(
    signal?: NodeJS.Signals,
  ): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

export function startProcess(
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): RunningProcess {
  const child: ChildProcess = spawn(command, args, {
    cwd: options.cwd,
    env: { ...inherited(options.inherit), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // A test that fails before it stops its process must not leave it behind.
  const end = () => void child.kill('SIGKILL');
  process.once('exit', end);
  const output = { stdout: '', stderr: '' };
  const waiters = new Set<() => void>();
  let over = false;
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
      for (const waiter of [...waiters]) waiter();
    });
  }
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      over = true;
      process.off('exit', end);
      resolve({ code, signal });
      for (const waiter of [...waiters]) waiter();
    });
  });
  exited.catch(() => {});

  function find(pattern: RegExp): string | undefined {
    const ended = (text: string) => (over ? text : text.slice(0, text.lastIndexOf('\n') + 1));
    return `${ended(output.stdout)}\n${ended(output.stderr)}`.split('\n').find((line) => pattern.test(line));
  }

  return {
    pid: child.pid ?? 0,
    get stdout() {
      return output.stdout;
    },
    get stderr() {
      return output.stderr;
    },
    exited,
    line(pattern) {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const look = () => {
        const found = find(pattern);
        if (found === undefined && !over) return;
        waiters.delete(look);
        if (found !== undefined) resolve(found);
        else
          reject(
            new Error(`${command} ended without a line like ${pattern}:\n${output.stdout}${output.stderr}`),
          );
      };
      waiters.add(look);
      exited.catch(reject);
      look();
      return promise;
    },
    kill: (signal = 'SIGKILL') => void child.kill(signal),
    async stop(signal = 'SIGTERM') {
      if (!over) child.kill(signal);
      const deadline = setTimeout(() => child.kill('SIGKILL'), 300_000);
      try {
        return await exited;
      } finally {
        clearTimeout(deadline);
      }
    },
  };
}

function inherited(names: readonly string[] | undefined): NodeJS.ProcessEnv {
  if (!names) return process.env;
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}

/** Runs a program to its end. */
export async function run(
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const running = startProcess(command, args, options);
  const { code } = await running.exited;
  return { code, stdout: running.stdout, stderr: running.stderr };
}

/** The program. */
export const mainFile = join(import.meta.dirname, '..', '..', 'src', 'main.ts');

/** Of compiled sources. `npm test` gives its place from the checkout, and a program may run anywhere. */
const compileCache = process.env.NODE_COMPILE_CACHE && resolve(process.env.NODE_COMPILE_CACHE);

/** What Entrepot finds must not depend on who runs the tests: their proxies, credentials and home stay outside. */
function alone(options: ProcessOptions): ProcessOptions {
  const inherit = ['PATH', 'TMPDIR', 'LD_LIBRARY_PATH', 'NODE_V8_COVERAGE'];
  // Without XDG_RUNTIME_DIR the login of podman in /run/containers/UID would be read; this folder has none.
  const home = { HOME: '/nonexistent', XDG_RUNTIME_DIR: import.meta.dirname };
  const env = { ...home, ...(compileCache && { NODE_COMPILE_CACHE: compileCache }), ...options.env };
  return { inherit, ...options, env };
}

/** Runs one command of Entrepot to its end: `runEntrepot(['explain', 'alpine', '--json'])`. */
export function runEntrepot(args: readonly string[], options: ProcessOptions = {}): ReturnType<typeof run> {
  return run(process.execPath, [mainFile, ...args], alone(options));
}

export interface RunningEntrepot extends RunningProcess {
  /** `http://127.0.0.1:PORT`, or `https:`. */
  readonly url: string;
  /** `127.0.0.1:PORT`. */
  readonly host: string;
}

export interface EntrepotOptions extends ProcessOptions {
  /** After `serve --listen 127.0.0.1:0`. */
  readonly args?: readonly string[];
  /** The line that says where it listens. */
  readonly ready?: RegExp;
}

/** `entrepot serve` on a free port; resolves when it listens. */
export async function startEntrepot(options: EntrepotOptions = {}): Promise<RunningEntrepot> {
  const { args = [], ready = /listening/, ...rest } = options;
  const listen = args.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
  const running = startProcess(process.execPath, [mainFile, 'serve', ...listen, ...args], alone(rest));
  const line = await running.line(ready);
  const port =
    /(?:127\.0\.0\.1|0\.0\.0\.0|localhost|\[::1?\]):(\d+)/.exec(line)?.[1] ?? /"port":(\d+)/.exec(line)?.[1];
  if (port === undefined) {
    await running.stop('SIGKILL');
    throw new Error(`the line names no port: ${line}`);
  }
  const host = `127.0.0.1:${port}`;
  return Object.defineProperties(running, {
    host: { value: host },
    url: { value: `${/"tls":true/.test(line) ? 'https' : 'http'}://${host}` },
  }) as RunningEntrepot;
}
