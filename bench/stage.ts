/** What a run of the bench stands on: one temporary folder, the processes started in it, and a surely clean end. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

export interface Service {
  readonly pid: number;
  stop(): Promise<void>;
}

export interface Stage {
  /** A new empty folder. */
  folder(name: string): string;
  /** Starts a program that logs to FOLDER/log, and resolves when `url` answers. Rejects with the log when it ends before. */
  serve(command: readonly string[], options: { folder: string; url: string }): Promise<Service>;
  /**
   * Has the kernel take so many bytes of memory and give them back, for the page cache of what comes next. On a virtual machine
   * memory that the host has yet to hand out is ten times as slow, and whoever happened to write first would pay for it.
   */
  touchMemory(bytes: number): void;
  /** Called at the end, in reverse order. */
  defer(work: () => unknown): void;
  close(): Promise<void>;
}

// Daemons are where only an administrator's PATH looks.
const searchPath = [process.env.PATH, '/usr/local/sbin', '/usr/sbin', '/sbin'].join(delimiter);
/** Nothing of the user's: no configuration, no credentials, no proxy. */
const environment = { PATH: searchPath, HOME: '/nonexistent', TMPDIR: tmpdir() };

export function createStage(): Stage {
  const root = mkdtempSync(join(tmpdir(), 'entrepot-bench-'));
  const ends: (() => unknown)[] = [];
  const children = new Set<ChildProcess>();
  let folders = 0;

  const sweep = () => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  };
  process.once('exit', sweep);

  return {
    folder(name) {
      folders += 1;
      const path = join(root, `${folders}-${name}`);
      mkdirSync(path);
      return path;
    },
    async serve([program = '', ...args], { folder, url }) {
      const log = openSync(join(folder, 'log'), 'a');
      const child = spawn(program, args, { env: environment, stdio: ['ignore', log, log] });
      children.add(child);
      let over: Error | undefined;
      const ended = new Promise<void>((resolve) => {
        child.once('error', (error) => {
          over = error;
          resolve();
        });
        child.once('exit', () => {
          children.delete(child);
          over ??= new Error(`${program} has ended:\n${readFileSync(join(folder, 'log'), 'utf8')}`);
          resolve();
        });
      });
      while (!(await answers(url))) {
        if (over) throw over;
        await wait(20);
      }
      return {
        pid: child.pid ?? 0,
        async stop() {
          child.kill('SIGTERM');
          const late = setTimeout(() => child.kill('SIGKILL'), 5000);
          await ended;
          clearTimeout(late);
        },
      };
    },
    touchMemory(bytes) {
      const file = join(root, 'memory');
      const chunk = Buffer.alloc(1024 * 1024);
      const fd = openSync(file, 'w');
      for (let done = 0; done < bytes; done += chunk.length) writeSync(fd, chunk);
      closeSync(fd);
      rmSync(file);
    },
    defer: (work) => void ends.push(work),
    async close() {
      for (const end of ends.reverse()) await end();
      process.off('exit', sweep);
      sweep();
    },
  };
}

/** A port of loopback that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

export function isInstalled(program: string): boolean {
  return searchPath.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function answers(url: string): Promise<boolean> {
  try {
    await (await fetch(url)).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
