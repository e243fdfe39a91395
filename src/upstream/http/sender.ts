/** Sends one request to one URL, whatever stands between: pool, proxy, connection limit. Knows nothing of registries. */
import { LRUCache } from 'lru-cache';
import { type Dispatcher, Pool } from 'undici';
import { EntrepotError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { ReadBlocks } from '../../lib/read-blocks.ts';
import type { HostSettings } from '../host-settings.ts';
import type { ConnectionLimit } from './connection-limit.ts';
import type { Dispatchers, Route } from './dispatchers.ts';
import { type Exchanged, exchange, type HttpRequest } from './exchange.ts';
import { describeFault } from './transport-fault.ts';

export interface SendOptions {
  readonly signal?: AbortSignal | undefined;
  /** A blob: waits behind smaller things for a slot. */
  readonly bulk?: boolean | undefined;
  /** The request waits for one of our own connectionLimit, if only for a moment. */
  waits?(): void;
  /** The request is on its way. */
  sent?(): void;
  /** Asked at `header_timeout`. If nothing else can be tried, a GET is not given up: some servers fetch all before they answer. */
  isLast?(): boolean;
}

export interface Sender {
  send(route: Route, request: HttpRequest, options?: SendOptions): Promise<Exchanged>;
}

/** ms without a sign of life after which a kept connection is doubted. */
const longestSilence = 3000;
/** ms of silence, given up by the caller, after which the kept connections of a host are not used again. */
const suspiciousSilence = 1000;
/** The most that `longestSilence` becomes for a host whose answers take long, ms. */
const mostSlowness = 60_000;

interface Try {
  readonly result: Promise<Exchanged>;
  /** Monotonic ms. */
  readonly begunAt: number;
  /** Perhaps over a connection that has been used before. */
  readonly isOverKept: boolean;
  cut(): void;
}

export function createSender(deps: {
  dispatchers: Dispatchers;
  connectionLimit: ConnectionLimit;
  settings: HostSettings;
  clock: Clock;
  blocks: Pick<ReadBlocks, 'retain'>;
  userAgent: string;
  /** Names this process in `Via` (RFC 9110, section 7.6.3). */
  via: string;
}): Sender {
  const { dispatchers, connectionLimit, settings, clock, blocks, userAgent, via } = deps;
  /** ms of silence that are usual, of hosts that begin to answer late. */
  const slowness = new LRUCache<string, number>({ max: 1000 });

  /** One try. It may be cut without a word to its caller, for another one. */
  function attempt(route: Route, request: HttpRequest, options: SendOptions, released: () => void): Try {
    const own = new AbortController();
    const begunAt = clock.monotonic();
    let pool: Dispatcher;
    try {
      pool = dispatchers.of(route);
    } catch (error) {
      released();
      if (!(error instanceof EntrepotError)) throw error;
      const result = Promise.resolve(failed('tls', error.located));
      return { result, begunAt, isOverKept: false, cut() {} };
    }
    options.sent?.();
    // Those that a proxy holds cannot be counted.
    const isOverKept = !(pool instanceof Pool) || pool.stats.free > 0;
    const fault = {
      host: route.name,
      connectTimeout: settings.connectTimeout(route.name),
      proxy: dispatchers.proxyOf(route),
    };
    const result = exchange(pool, route.url, request, {
      clock,
      retain: blocks.retain,
      headerTimeout: settings.headerTimeout(route.name),
      mayOutlast: () => request.method === 'GET' && options.isLast?.() === true,
      signal: options.signal ? AbortSignal.any([options.signal, own.signal]) : own.signal,
      describe: (error, hasHead) => describeFault(error, { ...fault, hasHead }),
      released,
    });
    return {
      result,
      begunAt,
      isOverKept,
      cut() {
        own.abort();
        void result.then((late) => late.ok && late.response.body.cancel());
      },
    };
  }

  /**
   * A kept connection may be closed by the other side just as it is used, or a NAT or load balancer in between may have
   * forgotten it: then nothing comes at all. Neither says anything about the host, so the request is sent once more,
   * over a new connection. Silence may also mean that the answer takes long: the first try goes on beside the second, unless
   * the host's connections are counted.
   */
  async function throughSlot(
    route: Route,
    request: HttpRequest,
    options: SendOptions,
    slot: () => () => void,
  ) {
    const first = attempt(route, request, options, slot());
    if (!first.isOverKept) return first.result;
    const doubtAfter = slowness.get(route.name) ?? longestSilence;
    const early = await within(first.result, doubtAfter);
    if (early && (early.ok || early.fault.kind !== 'closed')) {
      const waited = clock.monotonic() - first.begunAt;
      if (!early.ok && early.fault.kind === 'aborted' && waited >= suspiciousSilence)
        dispatchers.forget(route);
      return early;
    }
    dispatchers.forget(route);
    if (!early && settings.of(route.name)?.maxConnections !== undefined) first.cut();
    const second = attempt(route, request, options, slot());
    if (early) return second.result;
    const winner = await firstGood([first, second]);
    for (const loser of [first, second]) if (loser !== winner) loser.cut();
    const took = winner ? clock.monotonic() - winner.begunAt : 0;
    if (took > doubtAfter) slowness.set(route.name, Math.min(mostSlowness, 2 * took));
    return (winner ?? second).result;
  }

  async function within(result: Promise<Exchanged>, ms: number): Promise<Exchanged | undefined> {
    const late = Promise.withResolvers<undefined>();
    const timer = clock.after(ms, () => late.resolve(undefined));
    const early = await Promise.race([result, late.promise]);
    timer.cancel();
    return early;
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
        options.waits?.();
        const release = await connectionLimit.take(route.name, options);
        if (!release) return busy(route.name);
        const slot = sharing(release);
        const over = slot();
        try {
          for (let isLenient = false; ; ) {
            const result = await throughSlot(route, request, options, slot);
            if (!result.ok && result.fault.lengths && !isLenient && !options.signal?.aborted) {
              isLenient = true;
              dispatchers.tolerateLengths(route);
              continue;
            }
            const fell = result.ok ? undefined : result.fault.kind;
            const isTls = route.url.protocol === 'https:';
            // A server that wants a client certificate (TLS 1.3) may just close: other certificates may help there, too.
            const isRefused = fell === 'tls' || (fell === 'closed' && isTls);
            if (!isRefused || !dispatchers.nextCertificate(route) || options.signal?.aborted) return result;
          }
        } finally {
          over();
        }
      } catch (error) {
        if (options.signal?.aborted) return failed('aborted', 'given up');
        throw error;
      }
    },
  };
}

function failed(kind: 'tls' | 'aborted', reason: string): Exchanged {
  return { ok: false, fault: { kind, reason } };
}

/** The try that answers first; undefined when both fail. */
function firstGood(tries: readonly Try[]): Promise<Try | undefined> {
  const good = tries.map(async (one) => {
    if (!(await one.result).ok) throw new Error('failed');
    return one;
  });
  return Promise.any(good).catch(() => undefined);
}

/** Makes uses of one slot: it is given back when the last use is over. */
function sharing(release: () => void): () => () => void {
  let uses = 0;
  return () => {
    let isOver = false;
    uses += 1;
    return () => {
      if (isOver) return;
      isOver = true;
      uses -= 1;
      if (uses === 0) release();
    };
  };
}
