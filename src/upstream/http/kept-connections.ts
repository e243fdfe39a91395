/**
 * Requests over connections that have been used before. The other side may close such a connection just as it is used, or a NAT or
 * load balancer in between may have forgotten it: then nothing comes at all. Neither says anything about the host, so the
 * request is sent once more, over a new connection.
 *
 *   closed .................... sent again at once
 *   no answer for 3 s ......... sent again; the first try goes on beside it, unless the host's connections are limited. An upload
 *                               is not sent again: it may take longer than that
 *   no answer, but a 1xx ...... waited for
 *   a body that is passed on .. never sent again: it is gone
 *   given up after 1 s ........ the kept connections of the host are not used again
 */
import { LRUCache } from 'lru-cache';
import { type Dispatcher, Pool } from 'undici';
import { EntrepotError } from '../../errors.ts';
import type { ReadBlocks } from '../../lib/bytes/read-blocks.ts';
import type { Clock } from '../../lib/clock.ts';
import { orLate } from '../../lib/flow/or-late.ts';
import type { HostSettings } from '../host-settings.ts';
import type { Dispatchers } from './dispatchers.ts';
import { type Exchanged, exchange, type HttpRequest, isStream } from './exchange.ts';
import type { Route } from './route.ts';
import { describeFault } from './transport-fault.ts';

export interface SendOptions {
  readonly signal?: AbortSignal | undefined;
  /** A blob: it waits behind smaller answers for a connection. */
  readonly bulk?: boolean | undefined;
  /** The request waits for one of our own connections, if only for a moment. */
  waits?(): void;
  /** The request is on its way. */
  sent?(): void;
  /** Called for each interim answer (1xx). A connection over which one came is in order. */
  alive?(): void;
  /** Asked at `header_timeout`. If nothing else can be tried, a GET is not given up: some servers fetch all before they answer. */
  isLast?(): boolean;
}

export interface KeptConnections {
  /** One request over a kept or a new connection. `use` counts a use of its permit, and gives the function that ends the use. */
  send(route: Route, request: HttpRequest, options: SendOptions, use: () => () => void): Promise<Exchanged>;
}

export interface KeptConnectionsDeps {
  readonly dispatchers: Dispatchers;
  readonly settings: HostSettings;
  readonly clock: Clock;
  readonly blocks: Pick<ReadBlocks, 'retain'>;
}

/** ms without an answer after which the request is sent again over a new connection. */
const longestSilence = 3000;
/** ms of silence, ended by the caller, after which the kept connections of a host are not used again. */
const suspiciousSilence = 1000;
/** ms. The most that `longestSilence` becomes for a host with slow answers. */
const mostSlowness = 60_000;

interface Try {
  readonly result: Promise<Exchanged>;
  /** Monotonic ms. */
  readonly begunAt: number;
  /** Its connection may have been used before. */
  readonly isOverKept: boolean;
  /** Ends it. Its caller takes the result of another try instead. */
  cut(): void;
}

/** Remembers hosts that begin to answer late, so that their requests are sent again later. */
export function createKeptConnections(deps: KeptConnectionsDeps): KeptConnections {
  const { dispatchers, settings, clock } = deps;
  /** ms of silence that are usual at a host. */
  const slowness = new LRUCache<string, number>({ max: 1000 });

  return {
    async send(route, request, given, use) {
      let isAlive = false;
      const alive = (): void => {
        isAlive = true;
        given.alive?.();
      };
      const options = { ...given, alive };
      const first = attempt(route, request, options, use(), deps);
      if (!first.isOverKept || isStream(request.body)) return first.result;
      const doubtAfter = slowness.get(route.name) ?? longestSilence;
      const isUpload = request.body instanceof Uint8Array;
      const early = isUpload ? await first.result : await orLate(clock, doubtAfter, first.result);
      if (!early && isAlive) return first.result;
      if (early && (early.ok || early.fault.kind !== 'closed')) {
        const waited = clock.monotonic() - first.begunAt;
        const isSuspicious = !early.ok && early.fault.kind === 'aborted' && waited >= suspiciousSilence;
        if (isSuspicious) dispatchers.forget(route);
        return early;
      }
      dispatchers.forget(route);
      if (!early && settings.of(route.name)?.maxConnections !== undefined) first.cut();
      const second = attempt(route, request, options, use(), deps);
      if (early) return second.result;
      const winner = await firstGood([first, second]);
      for (const loser of [first, second]) if (loser !== winner) loser.cut();
      const took = winner ? clock.monotonic() - winner.begunAt : 0;
      if (took > doubtAfter) slowness.set(route.name, Math.min(mostSlowness, 2 * took));
      return (winner ?? second).result;
    },
  };
}

function attempt(
  route: Route,
  request: HttpRequest,
  options: SendOptions,
  released: () => void,
  { dispatchers, settings, clock, blocks }: KeptConnectionsDeps,
): Try {
  const own = new AbortController();
  const begunAt = clock.monotonic();
  let pool: Dispatcher;
  try {
    pool = dispatchers.of(route);
  } catch (error) {
    released();
    if (!(error instanceof EntrepotError)) throw error;
    const failed: Exchanged = { ok: false, fault: { kind: 'tls', reason: error.located } };
    return { result: Promise.resolve(failed), begunAt, isOverKept: false, cut() {} };
  }
  options.sent?.();
  // The connections that a proxy holds cannot be counted.
  const isOverKept = !(pool instanceof Pool) || pool.stats.free > 0;
  const fault = {
    host: route.name,
    connectTimeout: settings.connectTimeout(route.name),
    advice: settings.advice,
    proxy: dispatchers.proxyOf(route),
  };
  const result = exchange(pool, route.url, request, {
    clock,
    retain: blocks.retain,
    headerTimeout:
      request.body instanceof Uint8Array
        ? settings.stallTimeout(route.name)
        : settings.headerTimeout(route.name),
    alive: () => options.alive?.(),
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

/** The try that answers first; undefined if both fail. */
function firstGood(tries: readonly Try[]): Promise<Try | undefined> {
  const good = tries.map(async (one) => {
    if (!(await one.result).ok) throw new Error('failed');
    return one;
  });
  return Promise.any(good).catch(() => undefined);
}
