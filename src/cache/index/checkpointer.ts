/**
 * Keeps the write-ahead log short without stalling the main thread, which would wait for two fsyncs in the middle
 * of some request. The thread is started when there is first something for it to do.
 *
 * The log starts anew only if nothing was written while a checkpoint ran. A part that writes very much must pause for that:
 * else the log grows until SQLite itself checkpoints on the main thread.
 */
import { statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../../lib/clock.ts';

export interface Checkpointer {
  /** For a part that writes very much, between two writes: resolves when no checkpoint runs. Begins one if the last is long ago. */
  pace(): Promise<void>;
  /** Another file has taken the place of the index. */
  reopen(): void;
  /** Resolves when the thread has let go of the index. */
  stop(): Promise<void>;
}

/** How often the log is looked at, ms. */
const interval = 1000;
/** The same while very much is written, ms. */
const pacedInterval = 200;
/** Bytes of log that are left alone. */
const smallLog = 4 * 1024 * 1024;

/** `path`: of the index, which is open and stays so until after `stop`. */
export function createCheckpointer(
  deps: { clock: Clock; onError: (error: unknown) => void },
  path: string,
): Checkpointer {
  const { clock, onError } = deps;
  let worker: Worker | undefined;
  let timer: Timer | undefined;
  let isStopped = false;
  let running: PromiseWithResolvers<void> | undefined;
  /** Resolves when all threads that were told to end have done so. */
  let ended: Promise<unknown> = Promise.resolve();
  /** Of the last checkpoint; monotonic, ms. */
  let begun = Number.NEGATIVE_INFINITY;

  function start(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const started = new Worker(new URL(`./checkpoint-worker.${extension}`, import.meta.url), {
      workerData: path,
    });
    started.unref();
    started.on('message', over);
    started.on('error', onError);
    started.on('exit', () => {
      if (worker === started) worker = undefined;
      over();
    });
    return started;
  }

  /** Not by `terminate`: while a thread still loads SQLite, that ends the whole process (SIGABRT, from Node-API). */
  function end(): void {
    const ending = worker;
    worker = undefined;
    if (!ending) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    ending.once('exit', resolve);
    ending.ref();
    ending.postMessage('end');
    ended = Promise.all([ended, promise]);
  }

  function over(): void {
    running?.resolve();
    running = undefined;
  }

  function checkpoint(): void {
    if (running) return;
    const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
    if (!log || log.size <= smallLog) return;
    worker ??= start();
    running = Promise.withResolvers();
    begun = clock.monotonic();
    worker.postMessage('checkpoint');
  }

  function look(): void {
    checkpoint();
    timer = clock.after(interval, look);
  }

  timer = clock.after(interval, look);
  return {
    async pace() {
      if (!isStopped && clock.monotonic() - begun >= pacedInterval) checkpoint();
      await running?.promise;
    },
    reopen: end,
    async stop() {
      isStopped = true;
      timer?.cancel();
      end();
      await ended;
    },
  };
}
