/**
 * Keeps the write-ahead log short without stalling the main thread, which would wait for two fsyncs in the middle
 * of some request. The thread is started when there is first something for it to do.
 */
import { statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../../lib/clock.ts';

export interface Checkpointer {
  /** Another file has taken the place of the index. */
  reopen(): void;
  /** Resolves when the thread has let go of the index. */
  stop(): Promise<void>;
}

/** How often the log is looked at, ms. */
const interval = 1000;
/** Bytes of log that are left alone. */
const smallLog = 4 * 1024 * 1024;

/** `path`: of the index, which is open and stays so until after `stop`. */
export function createCheckpointer(
  deps: { clock: Clock; onError: (error: unknown) => void },
  path: string,
): Checkpointer {
  let worker: Worker | undefined;
  let timer: Timer | undefined;

  function start(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const started = new Worker(new URL(`./checkpoint-worker.${extension}`, import.meta.url), {
      workerData: path,
    });
    started.unref();
    started.on('error', (error) => {
      if (worker === started) worker = undefined;
      deps.onError(error);
    });
    return started;
  }

  function look(): void {
    const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
    if (log && log.size > smallLog) {
      worker ??= start();
      worker.postMessage('checkpoint');
    }
    timer = deps.clock.after(interval, look);
  }

  timer = deps.clock.after(interval, look);
  return {
    reopen() {
      worker?.terminate().catch(deps.onError);
      worker = undefined;
    },
    async stop() {
      timer?.cancel();
      await worker?.terminate();
    },
  };
}
