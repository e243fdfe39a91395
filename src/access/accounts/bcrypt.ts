/**
 * Compares passwords with bcrypt hashes on a thread of its own. The thread starts with the first comparison, so a server
 * without accounts never loads the library.
 */
import { Worker } from 'node:worker_threads';
import type { Comparison, ComparisonReply } from './bcrypt-worker.ts';

export interface Bcrypt {
  /**
   * Whether the hash is of this password. `busy`: too many comparisons wait already; nothing was compared.
   * Rejects when the thread dies or the comparer is closed.
   */
  matches(password: string, hash: string): Promise<boolean | 'busy'>;
  close(): Promise<void>;
}

/** Comparisons that may wait: at a tenth of a second each, a client waits for at most six seconds. */
const maxWaiting = 64;

/** Makes a comparer without a thread yet. */
export function createBcrypt(): Bcrypt {
  const source = import.meta.url.endsWith('.ts') ? './bcrypt-worker.ts' : './bcrypt-worker.js';
  const waiting = new Map<number, PromiseWithResolvers<boolean>>();
  let worker: Worker | undefined;
  let lastId = 0;

  function launch(): Worker {
    const started = new Worker(new URL(source, import.meta.url));
    started.on('message', ({ id, matches }: ComparisonReply) => {
      waiting.get(id)?.resolve(matches);
      waiting.delete(id);
      if (waiting.size === 0) started.unref();
    });
    started.on('error', (error: Error) => {
      if (worker === started) worker = undefined;
      rejectAll(error);
    });
    return started;
  }

  function rejectAll(error: Error): void {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  }

  return {
    matches(password, hash) {
      if (waiting.size >= maxWaiting) return Promise.resolve('busy');
      lastId += 1;
      const reply = Promise.withResolvers<boolean>();
      waiting.set(lastId, reply);
      worker ??= launch();
      worker.ref();
      worker.postMessage({ id: lastId, password, hash } satisfies Comparison);
      return reply.promise;
    },
    async close() {
      const ended = worker?.terminate();
      worker = undefined;
      rejectAll(new Error('the password check was closed'));
      await ended;
    },
  };
}
