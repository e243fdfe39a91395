/** The running digest of growing files, computed on another thread (`hash-worker.ts`): 1.7 GB/s would cost this one 40 %. */
import { Worker } from 'node:worker_threads';
import type { HashReply, HashRequest } from './hash-worker.ts';

export interface Hasher {
  /** Starts the thread, for which the first hash would have to wait. */
  start(): void;
  /** Starts at byte 0 of the file at `path`, which must exist; `algorithm` is one of OpenSSL's. */
  begin(path: string, algorithm: string): PrefixHash;
  close(): Promise<void>;
}

export interface PrefixHash {
  /** The file's bytes before `to` are final: hash them when there is time. */
  advance(to: number): void;
  /** The same; resolves when they are hashed. Rejects when the file cannot be read, with the code of the system. */
  reach(to: number): Promise<void>;
  /** Hex digest of the first `size` bytes. Rejects when the file cannot be read. Ends this hash. */
  finish(size: number): Promise<string>;
  abandon(): void;
}

interface Waiter {
  /** Nothing where only a point in the file was waited for. */
  resolve(hex: string): void;
  reject(error: Error): void;
}

/** MiB of JavaScript's heap: its bytes are outside of that, in one buffer. */
const resourceLimits = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 };

export function createHasher(): Hasher {
  const source = import.meta.url.endsWith('.ts') ? './hash-worker.ts' : './hash-worker.js';
  const waiters = new Map<number, Waiter>();
  const active = new Set<number>();
  const failed = new Map<number, Error>();
  let worker: Worker | undefined;
  let lastId = 0;

  const settle = (reply: HashReply): void => {
    const waiter = waiters.get(reply.id);
    waiters.delete(reply.id);
    if (!('error' in reply)) {
      waiter?.resolve('hex' in reply ? reply.hex : '');
      return;
    }
    const error = Object.assign(new Error(reply.error), { code: reply.code });
    if (waiter) waiter.reject(error);
    else if (active.has(reply.id)) failed.set(reply.id, error);
  };
  const loseAll = (error: Error): void => {
    for (const waiter of waiters.values()) waiter.reject(error);
    waiters.clear();
  };
  const launch = (): Worker => {
    const started = new Worker(new URL(source, import.meta.url), { resourceLimits });
    started.on('message', settle);
    started.on('error', (error: Error) => {
      // Everything in its hands is lost with it; the next hash gets a new thread.
      if (worker === started) worker = undefined;
      loseAll(error);
    });
    // Last, since a listener for messages undoes it.
    started.unref();
    return started;
  };
  const post = (request: HashRequest): void => {
    worker ??= launch();
    worker.postMessage(request);
  };

  /** One at a time for each hash. */
  const ask = (request: HashRequest): Promise<string> => {
    const error = failed.get(request.id);
    failed.delete(request.id);
    if (error) return Promise.reject(error);
    return new Promise<string>((resolve, reject) => {
      waiters.set(request.id, { resolve, reject });
      post(request);
      // A thread that waits for an answer must keep the process up.
      worker?.ref();
    }).finally(() => {
      if (waiters.size === 0) worker?.unref();
    });
  };

  return {
    start() {
      worker ??= launch();
    },
    begin(path, algorithm) {
      lastId += 1;
      const id = lastId;
      active.add(id);
      post({ op: 'begin', id, path, algorithm });
      return {
        advance: (to) => post({ op: 'advance', id, to }),
        abandon() {
          active.delete(id);
          failed.delete(id);
          post({ op: 'abandon', id });
        },
        async reach(to) {
          await ask({ op: 'advance', id, to, tells: true });
        },
        finish(size) {
          active.delete(id);
          return ask({ op: 'finish', id, size });
        },
      };
    },
    async close() {
      const ended = worker?.terminate();
      worker = undefined;
      loseAll(new Error('the hasher was closed'));
      await ended;
    },
  };
}
