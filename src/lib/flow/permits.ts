/** A semaphore: so many pieces of work at once, the others in the order in which they came. */
export interface Permits {
  /** Runs `work` when a permit is free. Rejects with the reason of the signal if that aborts before. */
  use<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** `count`: pieces at once. */
export function createPermits(count: number): Permits {
  let free = count;
  const waiting = new Set<() => void>();

  async function take(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (free > 0) {
      free -= 1;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      waiting.delete(resolve);
      reject(signal?.reason);
    };
    waiting.add(resolve);
    signal?.addEventListener('abort', leave);
    await promise.finally(() => signal?.removeEventListener('abort', leave));
  }

  function give(): void {
    const [next] = waiting;
    if (!next) {
      free += 1;
      return;
    }
    waiting.delete(next);
    next();
  }

  return {
    async use(work, signal) {
      await take(signal);
      try {
        return await work();
      } finally {
        give();
      }
    },
  };
}
