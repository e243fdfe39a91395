/**
 * Sends one request to one URL through pool, proxy and connection limit. Knows nothing of registries. A request is sent again:
 *
 *   over a kept connection that failed ............ see `kept-connections.ts`
 *   answered with a head of an odd form ........... with a parser that accepts that (`lenient-heads.ts`)
 *   refused in the TLS handshake .................. with the host's next client certificate, as long as there is one
 */
import type { ReadBlocks } from '../../lib/bytes/read-blocks.ts';
import type { Clock } from '../../lib/clock.ts';
import type { ViaChain } from '../../lib/flow/via-chain.ts';
import type { HostSettings } from '../host-settings.ts';
import type { ConnectionLimit } from './connection-limit.ts';
import type { Dispatchers } from './dispatchers.ts';
import { type Exchanged, type HttpRequest, isStream } from './exchange.ts';
import { createKeptConnections, type SendOptions } from './kept-connections.ts';
import type { Route } from './route.ts';

export interface Sender {
  /** Never rejects for what a server does. */
  send(route: Route, request: HttpRequest, options?: SendOptions): Promise<Exchanged>;
}

export interface SenderDeps {
  readonly dispatchers: Dispatchers;
  readonly connectionLimit: ConnectionLimit;
  readonly settings: HostSettings;
  readonly clock: Clock;
  readonly blocks: Pick<ReadBlocks, 'retain'>;
  readonly userAgent: string;
  /** Names this process, and those that a request has come through. */
  readonly via: Pick<ViaChain, 'outgoing'>;
  /** Headers of the trace that a request belongs to. */
  readonly traceHeaders: () => Readonly<Record<string, string>>;
}

/** One for all hosts. */
export function createSender(deps: SenderDeps): Sender {
  const { dispatchers, connectionLimit, settings, clock, userAgent, via, traceHeaders } = deps;
  const connections = createKeptConnections(deps);

  async function sendAgain(
    route: Route,
    request: HttpRequest,
    options: SendOptions,
    use: () => () => void,
  ): Promise<Exchanged> {
    for (let isLenient = false; ; ) {
      const result = await connections.send(route, request, options, use);
      if (result.ok || isStream(request.body)) return result;
      const isAborted = options.signal?.aborted === true;
      const { kind, head } = result.fault;
      if (head && !isLenient && !isAborted) {
        isLenient = true;
        dispatchers.tolerateHeads(route);
        continue;
      }
      // A server that wants a client certificate (TLS 1.3) may just close the connection.
      const isRefused = kind === 'tls' || (kind === 'closed' && route.url.protocol === 'https:');
      if (!isRefused || !dispatchers.nextCertificate(route) || isAborted) return result;
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
        via: via.outgoing,
        ...traceHeaders(),
        'accept-encoding': 'identity',
        ...plainRequest.headers,
      };
      const request = { ...plainRequest, headers };
      try {
        options.waits?.();
        const release = await connectionLimit.take(route.name, options);
        if (!release) return busy(route.name);
        const use = sharing(release);
        const over = use();
        try {
          return await sendAgain(route, request, options, use);
        } finally {
          over();
        }
      } catch (error) {
        if (options.signal?.aborted) return { ok: false, fault: { kind: 'aborted', reason: 'given up' } };
        throw error;
      }
    },
  };
}

/** Makes uses of one permit: `release` is called when the last use is over. */
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
