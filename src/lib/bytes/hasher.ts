/** The digest of growing files, and of bytes in no file, computed on another thread (`hash-worker.ts`): at 1.7 GB/s it would take 40 % of this one. */
import { Worker } from 'node:worker_threads';
import type { HashReply, HashRequest } from './hash-worker.ts';

export interface Hasher {
  /** Starts the thread now, so that the first hash does not wait for it. */
  start(): void;
  /** Begins a hash at byte 0 of the file at `path`, which must exist. `algorithm` is a name that OpenSSL knows. */
  begin(path: string, algorithm: string): PrefixHash;
  /** Begins a hash of bytes that are in no file. `onHashed` is called when `pending` of it has fallen. */
  stream(algorithm: string, onHashed: () => void): StreamHash;
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

export interface StreamHash {
  /** Bytes that are still to be hashed. The caller bounds them. */
  readonly pending: number;
  /** The other thread reads `bytes` later, so they may not change: memory of `sharedCopy` is not copied once more. */
  update(bytes: Uint8Array): void;
  /** Hex digest of all bytes; ends this hash. Rejects where the thread has died meanwhile. */
  finish(): Promise<string>;
  /** Ends this hash without a result. */
  abandon(): void;
}

/** A copy that another thread can read in place. */
export function sharedCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
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
    if ('hashed' in reply) {
      streams.hashed(reply.id, reply.hashed);
      return;
    }
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
    streams.lose();
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
  /** While an answer is awaited, the thread must keep the process alive. */
  const keepAlive = (): void => {
    if (waiters.size > 0 || streams.unhashed > 0) worker?.ref();
    else worker?.unref();
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
      keepAlive();
    }).finally(keepAlive);
  };

  const streams = createStreams({ post, ask, keepAlive });

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
    stream(algorithm, onHashed) {
      lastId += 1;
      return streams.begin(lastId, algorithm, onHashed);
    },
    async close() {
      const ended = worker?.terminate();
      worker = undefined;
      loseAll(new Error('the hasher was closed'));
      await ended;
    },
  };
}

interface HashThread {
  post(request: HashRequest): void;
  ask(request: HashRequest): Promise<string>;
  /** Call it when `unhashed` becomes 0, or more than that. */
  keepAlive(): void;
}

/** The streams of one thread, and how much of each is still to be hashed. */
function createStreams({ post, ask, keepAlive }: HashThread) {
  /** By id; called with the bytes that are hashed. */
  const listeners = new Map<number, (bytes: number) => void>();
  let unhashed = 0;
  const count = (bytes: number): void => {
    const before = unhashed;
    unhashed += bytes;
    if ((before === 0) !== (unhashed === 0)) keepAlive();
  };

  return {
    get unhashed() {
      return unhashed;
    },
    hashed(id: number, bytes: number): void {
      listeners.get(id)?.(bytes);
    },
    /** The thread is gone: nothing is pending any more, and `finish` says that the hash was lost. */
    lose(): void {
      for (const listener of [...listeners.values()]) listener(Number.POSITIVE_INFINITY);
    },
    begin(id: number, algorithm: string, onHashed: () => void): StreamHash {
      let pending = 0;
      const settle = (bytes: number): void => {
        pending -= bytes;
        count(-bytes);
      };
      const end = (): void => {
        listeners.delete(id);
        settle(pending);
      };
      listeners.set(id, (bytes) => {
        settle(Math.min(pending, bytes));
        onHashed();
      });
      post({ op: 'stream', id, algorithm });
      return {
        get pending() {
          return pending;
        },
        update(bytes) {
          post({ op: 'update', id, bytes });
          pending += bytes.length;
          count(bytes.length);
        },
        finish() {
          end();
          return ask({ op: 'digest', id });
        },
        abandon() {
          end();
          post({ op: 'abandon', id });
        },
      };
    },
  };
}
