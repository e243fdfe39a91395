/** Sends one request to one URL, whatever stands between: pool, proxy, connection limit. Knows nothing of registries. */
import { Pool } from 'undici';
import { EntrepotError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Dispatchers, Route } from './dispatchers.ts';
import { type Exchanged, exchange, type HttpRequest } from './exchange.ts';
import type { HostSettings } from './host-settings.ts';
import type { Slots } from './slots.ts';
import { describeFault } from './transport-fault.ts';

export interface SendOptions {
  readonly signal?: AbortSignal | undefined;
  /** The request is on its way: it does not wait for one of our own slots. */
  sent?(): void;
}

export interface Sender {
  send(route: Route, request: HttpRequest, options?: SendOptions): Promise<Exchanged>;
}

export function createSender(deps: {
  dispatchers: Dispatchers;
  slots: Slots;
  settings: HostSettings;
  clock: Clock;
  userAgent: string;
}): Sender {
  const { dispatchers, slots, settings, clock, userAgent } = deps;

  async function sendOnce(route: Route, request: HttpRequest, options: SendOptions) {
    const pool = dispatchers.of(route);
    const release = await slots.take(route.name, options.signal);
    options.sent?.();
    const mayBeStale = pool instanceof Pool && pool.stats.free > 0;
    const fault = { host: route.name, connectTimeout: settings.connectTimeout(route.name) };
    const result = await exchange(pool, route.url, request, {
      clock,
      headerTimeout: settings.headerTimeout(route.name),
      signal: options.signal,
      describe: (error) => describeFault(error, fault),
      released: release,
    });
    if (!result.ok && result.fault.kind === 'tls') dispatchers.forget(route);
    return { result, isStale: !result.ok && result.fault.kind === 'broken' && mayBeStale };
  }

  return {
    async send(route, plainRequest, options = {}) {
      const headers = { 'user-agent': userAgent, 'accept-encoding': 'identity', ...plainRequest.headers };
      const request = { ...plainRequest, headers };
      try {
        const { result, isStale } = await sendOnce(route, request, options);
        // A kept connection may be closed by the other side just as we use it: that says nothing about the host.
        return isStale ? (await sendOnce(route, request, options)).result : result;
      } catch (error) {
        if (error instanceof EntrepotError) return failed('tls', error.located);
        if (options.signal?.aborted) return failed('aborted', 'given up');
        throw error;
      }
    },
  };
}

function failed(kind: 'tls' | 'aborted', reason: string): Exchanged {
  return { ok: false, fault: { kind, reason } };
}
