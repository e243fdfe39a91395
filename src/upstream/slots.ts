/** At most so many exchanges with a host at once; the rest wait in order. Hosts without a limit never wait. */
export interface Slots {
  /** Resolves with the function that gives the slot back, which may be called more than once. Rejects when `signal` is aborted. */
  take(name: string, signal: AbortSignal | undefined): Promise<() => void>;
}

interface Host {
  free: number;
  readonly waiting: (() => void)[];
}

export function createSlots(limitOf: (name: string) => number | undefined): Slots {
  const hosts = new Map<string, Host>();

  function giver(host: Host): () => void {
    let given = false;
    return () => {
      if (given) return;
      given = true;
      const next = host.waiting.shift();
      if (next) next();
      else host.free += 1;
    };
  }

  return {
    async take(name, signal) {
      const limit = limitOf(name);
      if (limit === undefined) return () => {};
      const host = hosts.get(name) ?? { free: limit, waiting: [] };
      hosts.set(name, host);
      if (host.free > 0) {
        host.free -= 1;
        return giver(host);
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const onAbort = () => {
        host.waiting.splice(host.waiting.indexOf(resolve), 1);
        reject(signal?.reason);
      };
      host.waiting.push(resolve);
      signal?.addEventListener('abort', onAbort);
      if (signal?.aborted) onAbort();
      await promise.finally(() => signal?.removeEventListener('abort', onAbort));
      return giver(host);
    },
  };
}
