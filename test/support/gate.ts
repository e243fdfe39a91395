/**
 * A place where something is held until the test lets it go, so that no test has to sleep:
 *
 *   const hold = gate();
 *   registry.on({ kind: 'blob' }, holdHeaders(hold));
 *   const answer = get(url);
 *   await hold.arrived;      the request is at the registry
 *   hold.release();          and goes on, as do all that come later
 */
export interface Gate {
  /** Resolves when the first one has come. */
  readonly arrived: Promise<void>;
  /** Resolves when `count` have come. */
  arrivals(count: number): Promise<void>;
  /** Lets those who wait, and those who come later, through. */
  release(): void;
  /** Waits for the release; gives up, without an error, when `signal` fires. */
  pass(signal?: AbortSignal): Promise<void>;
}

export function gate(): Gate {
  let count = 0;
  const awaited: { count: number; resolve: () => void }[] = [];
  const released = Promise.withResolvers<void>();

  function arrivals(wanted: number): Promise<void> {
    if (count >= wanted) return Promise.resolve();
    return new Promise((resolve) => awaited.push({ count: wanted, resolve }));
  }

  return {
    arrived: arrivals(1),
    arrivals,
    release: () => released.resolve(),
    async pass(signal) {
      count += 1;
      for (const waiter of awaited) if (count >= waiter.count) waiter.resolve();
      await Promise.race([released.promise, ...(signal ? [aborted(signal)] : [])]);
    },
  };
}

/** Resolves when `signal` fires. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
