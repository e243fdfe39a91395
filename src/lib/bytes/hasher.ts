/** The running digest of growing files, computed on another thread (`hash-worker.ts`): at 1.7 GB/s it would take 40 % of this one. */
import { Worker } from 'node:worker_threads';
import type { HashReply, HashRequest } from './hash-worker.ts';

export interface Hasher {
  /** Starts the thread now, so that the first hash does not wait for it. */
  start(): void;
  /** Begins a hash at byte 0 of the file at `path`, which must exist. `algorithm` is a name that OpenSSL knows. */
  begin(path: string, algorithm: string): PrefixHash;
  close(): Promise<void>;
}

export interface PrefixHash {
  /** Bytes of the file before `to` are final: they are hashed when there is time. */
  advance(to: number): void;
  /** As `advance`, and resolves when they are hashed. Rejects with the code of the system if the file cannot be read. */
  reach(to: number): Promise<void>;
  /** Hex digest of the first `size` bytes; ends this hash. Rejects with the code of the system if the file cannot be read. */
  finish(size: number): Promise<string>;
  /** Ends this hash without a result. */
  abandon(): void;
}

interface Waiter {
  /** `hex` is empty if the call waited for a position only. */
  resolve(hex: string): void;
  reject(error: Error): void;
}

/** MiB of the thread's JavaScript heap. The buffer that it reads into lies outside. */
const resourceLimits = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 };

/** No thread runs before `start` or the first hash. */
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
      // All hashes of this thread are lost; the next one gets a new thread.
      if (worker === started) worker = undefined;
      loseAll(error);
    });
    // Last, because a listener for messages refs the thread again.
    started.unref();
    return started;
  };
  const post = (request: HashRequest): void => {
    worker ??= launch();
    worker.postMessage(request);
  };

  /** A hash may wait for one answer at a time. */
  const ask = (request: HashRequest): Promise<string> => {
    const error = failed.get(request.id);
    failed.delete(request.id);
    if (error) return Promise.reject(error);
    return new Promise<string>((resolve, reject) => {
      waiters.set(request.id, { resolve, reject });
      post(request);
      // While an answer is awaited, the thread must keep the process alive.
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
