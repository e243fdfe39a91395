/**
 * A semaphore for each host: `max_connections` exchanges at once. The others wait, at most `longestWait`: small answers (manifests,
 * tokens, lists) before blobs, each kind in the order in which it came. Requests to hosts without a limit never wait.
 */
import type { Clock } from '../../lib/clock.ts';

export interface ConnectionLimit {
  /**
   * Resolves with the function that gives the permit back, which may be called more than once; with undefined if none came free
   * in time. Rejects with the reason of `signal` when that is aborted.
   */
  take(name: string, options?: WaitOptions): Promise<(() => void) | undefined>;
}

export interface WaitOptions {
  /** It waits behind all requests that are not bulk. */
  readonly bulk?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Host {
  /** Permits. */
  free: number;
  readonly small: Set<Waiter>;
  readonly bulk: Set<Waiter>;
}

type Waiter = (gotOne: boolean) => void;

/** `limitOf`: permits of a host, by the name that the configuration has for it; undefined for no limit. */
export function createConnectionLimit(
  limitOf: (name: string) => number | undefined,
  options: {
    readonly clock: Clock;
    /** ms. */
    readonly longestWait: number;
  },
): ConnectionLimit {
  const hosts = new Map<string, Host>();

  function releaser(host: Host): () => void {
    let given = false;
    return () => {
      if (given) return;
      given = true;
      const [next] = host.small.size > 0 ? host.small : host.bulk;
      if (next) next(true);
      else host.free += 1;
    };
  }

  function wait(queue: Set<Waiter>, signal: AbortSignal | undefined): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const leave = () => {
      queue.delete(waiter);
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
    };
    const waiter: Waiter = (gotOne) => {
      leave();
      resolve(gotOne);
    };
    const onAbort = () => {
      leave();
      reject(signal?.reason);
    };
    const timer = options.clock.after(options.longestWait, () => waiter(false));
    queue.add(waiter);
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted) onAbort();
    return promise;
  }

  return {
    async take(name, { bulk = false, signal } = {}) {
      const limit = limitOf(name);
      if (limit === undefined) return () => {};
      const host = hosts.get(name) ?? { free: limit, small: new Set(), bulk: new Set() };
      hosts.set(name, host);
      if (host.free > 0) {
        host.free -= 1;
        return releaser(host);
      }
      const gotOne = await wait(bulk ? host.bulk : host.small, signal);
      return gotOne ? releaser(host) : undefined;
    },
  };
}
