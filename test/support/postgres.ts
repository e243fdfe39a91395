/**
 * A real PostgreSQL from the system's package, on a free port, in a folder of its own. It can be killed, frozen and brought back.
 * It refuses to run as root, so as root it runs as `nobody`.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';
import { skipFor } from './missing.ts';
import { type RunningProcess, startProcess } from './processes.ts';
import { type Cleanup, tempFolder } from './temp-folder.ts';

export interface PostgresOptions {
  /** PEM: the server offers TLS. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly clientCa?: string };
  /** Lines of pg_hba.conf. Default: each connection is trusted. */
  readonly hba?: readonly string[];
  /** It begins as a copy of this one, and follows it until it is promoted. */
  readonly standbyOf?: Pick<PostgresServer, 'folder' | 'port'>;
}

export interface PostgresServer {
  readonly port: number;
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Of the database `postgres`, for its owner `entrepot`. */
  readonly url: string;
  readonly folder: string;
  /** Runs one statement as the owner, over a connection of its own; gives the rows as arrays of text. */
  sql(text: string): Promise<string[][]>;
  /** New transactions may write, or not. */
  readOnly(is: boolean): Promise<void>;
  /** Sends the signal to the server and all of its processes: SIGKILL, SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): Promise<void>;
  /** Ends it in an orderly way, cutting its connections. */
  stop(): Promise<void>;
  /** Starts it again on the same folder and port. */
  start(): Promise<void>;
}

const nobody = { uid: 65534, gid: 65534 };
const isRoot = process.getuid?.() === 0;
let template: string | undefined;

/** The folder with `initdb` and `postgres`; undefined where they are missing. */
function programs(): string | undefined {
  const all = '/usr/lib/postgresql';
  const versions = existsSync(all) ? readdirSync(all).toSorted((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => join(all, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')));
}

/** Whether this machine has one. */
export const hasPostgres = (): boolean => programs() !== undefined;

/** Undefined, and the test is skipped, where there is no PostgreSQL. */
export async function startPostgres(
  t: TestContext,
  options: PostgresOptions = {},
): Promise<PostgresServer | undefined> {
  const bin = programs();
  if (bin === undefined) {
    skipFor(t, 'PostgreSQL is missing: install the package postgresql');
    return undefined;
  }
  return runPostgres(t, bin, options);
}

/** The same for a suite; throws where there is no PostgreSQL. */
export async function runPostgres(
  test: Cleanup,
  bin: string | undefined = programs(),
  options: PostgresOptions = {},
): Promise<PostgresServer> {
  if (bin === undefined) throw new Error('PostgreSQL is missing: install the package postgresql');
  const folder = ownFolder(test);
  const data = join(folder, 'data');
  if (options.standbyOf) copyOf(bin, options.standbyOf, data);
  else {
    template ??= makeTemplate(bin);
    cpSync(template, data, { recursive: true });
  }
  chmodSync(data, 0o700);
  if (isRoot) execFileSync('chown', ['-R', `${nobody.uid}:${nobody.gid}`, data]);
  const port = await freePort();
  if (options.hba) writeFileSync(join(data, 'pg_hba.conf'), `${options.hba.join('\n')}\n`);
  const settings = ['listen_addresses=127.0.0.1', `port=${port}`, `unix_socket_directories=${folder}`];
  settings.push('fsync=off', 'shared_buffers=16MB', 'max_connections=40', 'log_min_messages=fatal');
  if (options.tls) {
    const { key, cert, clientCa } = options.tls;
    for (const [name, text] of Object.entries({ 'key.pem': key, 'cert.pem': cert, 'ca.pem': clientCa })) {
      if (text === undefined) continue;
      writeFileSync(join(data, name), text, { mode: 0o600 });
      if (isRoot) chownSync(join(data, name), nobody.uid, nobody.gid);
    }
    settings.push('ssl=on', 'ssl_key_file=key.pem', 'ssl_cert_file=cert.pem');
    if (clientCa !== undefined) settings.push('ssl_ca_file=ca.pem');
  }
  let running: RunningProcess | undefined;

  async function start(): Promise<void> {
    const args = ['-D', data, ...settings.flatMap((setting) => ['-c', setting])];
    const [command = '', ...rest] = asNobody(join(bin ?? '', 'postgres'), args);
    running = startProcess(command, rest, { cwd: folder });
    const mine = running;
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    mine.exited.then(over, over);
    await eventually('PostgreSQL answers', async () => {
      if (isOver) throw new Error(`PostgreSQL ended: ${mine.stderr}`);
      return sql('select 1').then(
        () => true,
        () => false,
      );
    });
  }

  async function sql(text: string): Promise<string[][]> {
    const { Client } = (await import('pg')).default;
    const client = new Client({
      host: folder,
      port,
      user: 'entrepot',
      database: 'postgres',
      password: '',
      connectionTimeoutMillis: 60_000,
    });
    client.on('error', () => {});
    try {
      await client.connect();
      const result = await client.query({ text, rowMode: 'array' });
      return (result.rows as unknown[][]).map((row) => row.map(String));
    } finally {
      await client.end().catch(() => {});
    }
  }

  /** The server reads this file at each reload; `alter system` itself would be a write. */
  async function readOnly(is: boolean): Promise<void> {
    writeFileSync(join(data, 'postgresql.auto.conf'), is ? 'default_transaction_read_only = on\n' : '');
    await sql('select pg_reload_conf()');
    const wanted = is ? 'on' : 'off';
    await eventually('the setting is in force', async () => {
      const [[now] = []] = await sql('show transaction_read_only');
      return now === wanted;
    });
  }

  async function signal(name: NodeJS.Signals): Promise<void> {
    const pid = running?.pid;
    if (pid === undefined) return;
    const all = [pid, ...childrenOf(pid)];
    for (const one of all) {
      try {
        process.kill(one, name);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    if (name !== 'SIGKILL') return;
    await running?.exited;
    await eventually('its processes are gone', () => !all.some(isAlive));
  }

  async function stop(): Promise<void> {
    await running?.stop('SIGINT');
    running = undefined;
  }

  test.after(async () => {
    await signal('SIGCONT');
    await signal('SIGKILL');
  });
  await start();
  const host = `127.0.0.1:${port}`;
  return {
    port,
    host,
    url: `postgresql://entrepot@${host}/postgres`,
    folder,
    sql,
    readOnly,
    signal,
    stop,
    start,
  };
}

/** A folder in which `nobody` may work; removed after the test. */
function ownFolder(test: Cleanup): string {
  const folder = tempFolder(test);
  if (isRoot) chownSync(folder, nobody.uid, nobody.gid);
  return folder;
}

/** `initdb` takes seconds: once in a process, then its folder is copied. */
function makeTemplate(bin: string): string {
  const hooks: (() => void)[] = [];
  const folder = ownFolder({ after: (fn) => void hooks.push(fn as () => void) });
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'template');
  mkdirSync(path, { mode: 0o700 });
  if (isRoot) chownSync(path, nobody.uid, nobody.gid);
  const wanted = ['-D', path, '-U', 'entrepot', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  const [command = '', ...args] = asNobody(join(bin, 'initdb'), wanted);
  execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  return path;
}

/** A standby as pg_basebackup makes it. */
function copyOf(bin: string, { folder, port }: Pick<PostgresServer, 'folder' | 'port'>, data: string): void {
  const wanted = [
    '-h',
    folder,
    '-p',
    String(port),
    '-U',
    'entrepot',
    '-D',
    data,
    '-R',
    '-c',
    'fast',
    '--no-sync',
  ];
  const [command = '', ...args] = asNobody(join(bin, 'pg_basebackup'), wanted);
  execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
}

function asNobody(program: string, args: readonly string[]): string[] {
  if (!isRoot) return [program, ...args];
  return ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', program, ...args];
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => statOf(Number(name))?.parent === pid)
    .map(Number);
}

function isAlive(pid: number): boolean {
  const state = statOf(pid)?.state;
  return state !== undefined && state !== 'Z';
}

/** proc(5): the name of the program, in brackets, may hold anything. */
function statOf(pid: number): { readonly state: string; readonly parent: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state = '', parent = ''] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}
