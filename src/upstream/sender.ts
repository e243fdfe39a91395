/** Sends one request to one URL, whatever stands between: pool, proxy, connection limit. Knows nothing of registries. */
import { type Dispatcher, Pool } from 'undici';
import { EntrepotError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { ReadBlocks } from '../lib/read-blocks.ts';
import type { Dispatchers, Route } from './dispatchers.ts';
import { type Exchanged, exchange, type HttpRequest } from './exchange.ts';
import type { HostSettings } from './host-settings.ts';
import type { Slots } from './slots.ts';
import { describeFault } from './transport-fault.ts';

export interface SendOptions {
  readonly signal?: AbortSignal | undefined;
  /** A blob: waits behind smaller things for a slot. */
  readonly bulk?: boolean | undefined;
  /** The request waits for one of our own slots, if only for a moment. */
  waits?(): void;
  /** The request is on its way. */
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
  blocks: Pick<ReadBlocks, 'retain'>;
  userAgent: string;
  /** Names this process in `Via` (RFC 9110, section 7.6.3). */
  via: string;
}): Sender {
  const { dispatchers, slots, settings, clock, blocks, userAgent, via } = deps;

  async function sendOnce(route: Route, request: HttpRequest, options: SendOptions) {
    options.waits?.();
    const release = await slots.take(route.name, options);
    if (!release) return { result: busy(route.name), isStale: false };
    const pool = poolOf(route, release);
    options.sent?.();
    // Those that a proxy holds cannot be counted.
    const mayBeStale = !(pool instanceof Pool) || pool.stats.free > 0;
    const fault = {
      host: route.name,
      connectTimeout: settings.connectTimeout(route.name),
      proxy: dispatchers.proxyOf(route),
    };
    const result = await exchange(pool, route.url, request, {
      clock,
      retain: blocks.retain,
      headerTimeout: settings.headerTimeout(route.name),
      signal: options.signal,
      describe: (error) => describeFault(error, fault),
      released: release,
    });
    const fell = result.ok ? undefined : result.fault.kind;
    const isTls = route.url.protocol === 'https:';
    // A server that wants a client certificate (TLS 1.3) may just close: other certificates may help there, too.
    if (fell === 'tls' || (fell === 'closed' && isTls)) dispatchers.forget(route);
    return { result, isStale: fell === 'closed' && mayBeStale };
  }

  /** Only now: a pool that was fetched before the wait may be closed. */
  function poolOf(route: Route, release: () => void): Dispatcher {
    try {
      return dispatchers.of(route);
    } catch (error) {
      release();
      throw error;
    }
  }

  function busy(name: string): Exchanged {
    const waited = `${settings.queueTimeout / 1000} s`;
    const limit = settings.of(name)?.maxConnections;
    const reason = `no connection came free within ${waited} (max_connections = ${limit})`;
    return { ok: false, fault: { kind: 'busy', reason, until: clock.now() + 1000 } };
  }

  return {
    async send(route, plainRequest, options = {}) {
      const headers = {
        'user-agent': userAgent,
        via,
        'accept-encoding': 'identity',
        ...plainRequest.headers,
      };
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
