/**
 * undici's connection pools: one for each origin and way of reaching it (TLS verified or not, proxy, how near an address may be).
 * They are made when first needed and thrown away after a TLS failure, so that a certificate put into certs.d is seen by the next
 * try.
 */
import type { SecureContext } from 'node:tls';
import { LRUCache } from 'lru-cache';
import { type buildConnector, type Dispatcher, Pool, ProxyAgent } from 'undici';
import type { CertLookup } from '../../config/files/certs-d.ts';
import { type AddressKind, addressKind, literalKind } from '../../lib/address-kind.ts';
import type { ReadBlocks } from '../../lib/bytes/read-blocks.ts';
import type { Clock } from '../../lib/clock.ts';
import type { HostSettings } from '../host-settings.ts';
import { type ConnectorOptions, createConnector } from './connector.ts';
import { lenientHeads } from './lenient-heads.ts';
import type { Lookups } from './lookups.ts';
import type { Proxies } from './proxies.ts';
import type { Route } from './route.ts';
import { createTlsContexts } from './tls-contexts.ts';

export interface Dispatchers {
  /** Throws EntrepotError TLS_UNUSABLE if the host's certificates cannot be used. */
  of(route: Route): Dispatcher;
  /** `host:port` of the proxy that is used, if one is. */
  proxyOf(route: Route): string | undefined;
  /** Certificates are read again by the next `of`. */
  forget(route: Route): void;
  /** After a refused handshake. Whether `of` now shows other client certificates than all that it has shown since the last success. */
  nextCertificate(route: Route): boolean;
  /** From now on, the heads of the host's answers may have odd forms (`lenient-heads.ts`). Its connections are used once. */
  tolerateHeads(route: Route): void;
  /** What kind of address the host's name led to when we last connected to it. */
  kindOf(hostname: string): AddressKind | undefined;
  /** Cuts what is under way at once; with `graceMs`, only what has not come to its end by then. `of` makes new pools after it. */
  close(graceMs?: number): Promise<void>;
}

const maxPools = 512;
/** Bytes. */
const maxHeaderSize = 64 * 1024;
/** ms that an idle connection is kept if the server announces nothing. */
const keepAliveTimeout = 10_000;
/** ms at most, whatever a server announces: NATs and load balancers in between forget idle connections sooner. */
const keepAliveMaxTimeout = 30_000;

export interface DispatchersDeps {
  readonly certLookup: CertLookup;
  readonly proxies: Proxies;
  readonly settings: HostSettings;
  /** What sockets read into. */
  readonly blocks: Pick<ReadBlocks, 'onread'>;
  readonly clock: Clock;
  /** PEM of additional CAs for every host. */
  readonly extraCa: readonly string[];
  /** PEM of CAs that are trusted in place of Node's and the system's. */
  readonly roots?: readonly string[] | undefined;
  readonly lookups: Lookups;
}

/** Keeps at most 512 pools, those used last. */
export function createDispatchers(deps: DispatchersDeps): Dispatchers {
  const { settings, proxies } = deps;
  const contexts = createTlsContexts(deps);
  const pools = new LRUCache<string, Dispatcher>({
    max: maxPools,
    dispose: (pool, _key, reason) => {
      if (reason !== 'evict' && reason !== 'delete') return;
      closing.set(
        pool,
        pool.close().finally(() => closing.delete(pool)),
      );
    },
  });
  /** Pools that get no more requests, until the last one that is under way has ended. */
  const closing = new Map<Dispatcher, Promise<void>>();
  const kinds = new LRUCache<string, AddressKind>({ max: 2048 });
  /** Pools of hosts whose answers have odd heads. */
  const lenient = new LRUCache<string, true>({ max: maxPools });
  const keyOf = (route: Route) => poolKey(route, proxyFor(route));

  function proxyFor({ url, name, peer }: Route): URL | undefined {
    return peer && settings.of(name)?.proxy === undefined ? undefined : proxies.for(url, name);
  }

  function create(route: Route, proxy: URL | undefined): Dispatcher {
    const { name, url, verify, addressScope } = route;
    const serverName = route.peer?.serverName ?? route.serverName;
    const key = poolKey(route, proxy);
    const isLenient = lenient.get(key) ?? false;
    const { onread } = deps.blocks;
    const plan: PoolPlan = {
      options: { ...poolOptions, pipelining: isLenient ? 0 : 1 },
      adapt: isLenient ? lenientHeads : (connect) => connect,
      connecting: {
        lookups: deps.lookups,
        clock: deps.clock,
        lookupTimeout: settings.lookupTimeout,
        timeout: settings.connectTimeout(name),
      },
      tls: {
        onread,
        rejectUnauthorized: verify,
        ...(serverName !== undefined && { servername: serverName }),
        ...(url.protocol === 'https:' && { secureContext: contexts.of(route, key) }),
      },
    };
    if (proxy) return proxyPool(proxy, plan, contexts.plain(), settings.headerTimeout(name));
    const connect = createConnector({
      ...plan.connecting,
      addressScope,
      onread,
      tls: plan.tls,
      connected: (address) => kinds.set(url.hostname, addressKind(address)),
    });
    return new Pool(url.origin, { ...plan.options, connect: plan.adapt(connect) });
  }

  return {
    of(route) {
      const proxy = proxyFor(route);
      const key = poolKey(route, proxy);
      let pool = pools.get(key);
      if (!pool) {
        pool = create(route, proxy);
        pools.set(key, pool);
      }
      return pool;
    },
    proxyOf: (route) => proxyFor(route)?.host,
    forget: (route) => pools.delete(keyOf(route)),
    tolerateHeads(route) {
      const key = keyOf(route);
      if (lenient.has(key)) return;
      lenient.set(key, true);
      pools.delete(key);
    },
    nextCertificate(route) {
      const key = keyOf(route);
      pools.delete(key);
      return contexts.next(key);
    },
    kindOf: (hostname) => literalKind(hostname) ?? kinds.get(hostname),
    async close(graceMs = 0) {
      pools.clear();
      if (graceMs > 0) {
        const { promise: isOver, resolve } = Promise.withResolvers<void>();
        const limit = deps.clock.after(graceMs, resolve);
        await Promise.race([isOver, Promise.all(closing.values())]);
        limit.cancel();
      }
      await Promise.all([...closing.keys()].map((pool) => pool.destroy()));
    },
  };
}

/** What all pools share. Timeouts are ours (`exchange.ts`). */
const poolOptions = {
  allowH2: false,
  maxHeaderSize,
  keepAliveTimeout,
  keepAliveMaxTimeout,
  headersTimeout: 0,
  bodyTimeout: 0,
};

/** How the connections of one pool are made. */
interface PoolPlan {
  readonly options: typeof poolOptions & { readonly pipelining: number };
  /** Wraps the connector of connections that answers come over. */
  adapt(connect: buildConnector.connector): buildConnector.connector;
  readonly connecting: Pick<ConnectorOptions, 'lookups' | 'clock' | 'lookupTimeout' | 'timeout'>;
  readonly tls: buildConnector.BuildOptions;
}

/** `tunnelTimeout`: ms until the proxy has opened a tunnel, as long as a request waits for its headers. */
function proxyPool(
  proxy: URL,
  { options, adapt, connecting, tls }: PoolPlan,
  proxyContext: SecureContext,
  tunnelTimeout: number,
): ProxyAgent {
  const connect = createConnector({
    ...connecting,
    addressScope: 'any',
    tls: { secureContext: proxyContext },
  });
  return new ProxyAgent({
    ...options,
    uri: proxy.href,
    requestTls: { ...tls, allowH2: false, timeout: connecting.timeout },
    clientFactory: (origin: URL, given: object) =>
      new Pool(origin, { ...given, connect, headersTimeout: tunnelTimeout }),
    // undici makes tunnels here, and its connections to the proxy for plain HTTP.
    factory: (origin, given: { connect: buildConnector.connector }) =>
      new Pool(origin, {
        ...given,
        pipelining: options.pipelining,
        connect: adapt(new URL(origin).origin === proxy.origin ? connect : given.connect),
      }),
  });
}

function poolKey(route: Route, proxy: URL | undefined): string {
  const { url, name, verify, addressScope, certificatesOf } = route;
  const others =
    certificatesOf && certificatesOf.registry !== name
      ? [certificatesOf.registry, certificatesOf.withPairs]
      : [];
  return [url.origin, name, verify, addressScope, proxy?.href ?? '', ...others].join(' ');
}
