/**
 * undici's connection pools: one for each origin and way of reaching it (TLS verified or not, proxy, how near an address may
 * be). They are made when first needed and thrown away after a TLS failure, so that a certificate put into certs.d is seen by the next try.
 */
import tls, { type SecureContext } from 'node:tls';
import { LRUCache } from 'lru-cache';
import { type buildConnector, type Dispatcher, Pool, ProxyAgent } from 'undici';
import type { CertLookup } from '../../config/files/certs-d.ts';
import { EntrepotError } from '../../errors.ts';
import { type AddressKind, addressKind, literalKind } from '../../lib/address-kind.ts';
import type { Clock } from '../../lib/clock.ts';
import type { ReadBlocks } from '../../lib/read-blocks.ts';
import { reasonOf } from '../../lib/thrown.ts';
import type { HostSettings } from '../host-settings.ts';
import type { AddressScope } from './addresses.ts';
import { pairSets } from './client-pairs.ts';
import { createConnector } from './connector.ts';
import { lenientLengths } from './lenient-lengths.ts';
import type { Lookups } from './lookups.ts';
import type { Proxies } from './proxies.ts';

/** How one URL is to be reached. */
export interface Route {
  readonly url: URL;
  /** The host as the configuration calls it: finds settings and certificates. */
  readonly name: string;
  readonly verify: boolean;
  readonly addressScope: AddressScope;
  /** The registry on whose behalf another host is asked: what certs.d has for it is used there too. */
  readonly lent?: LentCertificates | undefined;
}

export interface LentCertificates {
  /** Names the registry. Its CAs are trusted. */
  readonly from: string;
  /** Whether its client certificates may be shown, as its credentials might be given. */
  readonly withPairs: boolean;
}

export interface Dispatchers {
  /** Throws EntrepotError TLS_UNUSABLE where the host's certificates cannot be used. */
  of(route: Route): Dispatcher;
  /** `host:port` of the proxy that stands between, if one does. */
  proxyOf(route: Route): string | undefined;
  /** Certificates are read again by the next `of`. */
  forget(route: Route): void;
  /** After a refused handshake. Whether `of` now shows other client certificates than all that it has shown since the last success. */
  nextCertificate(route: Route): boolean;
  /** From now on, the host may say the length of a body twice. Its connections are used once. */
  tolerateLengths(route: Route): void;
  /** What the host's name led to when we last connected to it. */
  kindOf(hostname: string): AddressKind | undefined;
  /** Cuts what is under way at once; with `graceMs`, only what has not come to its end by then. `of` makes new pools after it. */
  close(graceMs?: number): Promise<void>;
}

const maxPools = 512;
const maxHeaderSize = 64 * 1024;
const keepAliveTimeout = 10_000;
/** However long a server says that it keeps them: NATs and load balancers in between forget idle connections sooner. */
const keepAliveMaxTimeout = 30_000;

export function createDispatchers(deps: {
  certLookup: CertLookup;
  proxies: Proxies;
  settings: HostSettings;
  /** What sockets read into. */
  blocks: Pick<ReadBlocks, 'onread' | 'size'>;
  clock: Clock;
  /** PEM of additional CAs for every host. */
  extraCa: readonly string[];
  lookups: Lookups;
}): Dispatchers {
  const { settings, proxies } = deps;
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
  /** Those that are in no use any more, apart from what is under way, until it is over. */
  const closing = new Map<Dispatcher, Promise<void>>();
  const kinds = new LRUCache<string, AddressKind>({ max: 2048 });
  /** By pool: sets of client certificates, and how many were refused. */
  const shown = new LRUCache<string, { sets: number; turn: number }>({ max: maxPools });
  /** Pools of hosts that say the length of a body twice. */
  const lenient = new LRUCache<string, true>({ max: maxPools });
  let knownRoots: readonly string[] | undefined;
  let knownContext: SecureContext | undefined;

  function create(route: Route, proxy: URL | undefined): Dispatcher {
    const { name, url, verify, addressScope } = route;
    const isTls = url.protocol === 'https:';
    const key = poolKey(route, proxy);
    const isLenient = lenient.get(key) ?? false;
    const adapt = (connect: buildConnector.connector) => (isLenient ? lenientLengths(connect) : connect);
    const { onread } = deps.blocks;
    const limits = {
      ...{ lookups: deps.lookups, clock: deps.clock, lookupTimeout: settings.lookupTimeout },
      timeout: settings.connectTimeout(name),
    };
    const tlsOptions = {
      onread,
      rejectUnauthorized: verify,
      ...(isTls && { secureContext: secureContext(route, key) }),
    };
    const pool = {
      allowH2: false,
      maxHeaderSize,
      keepAliveTimeout,
      keepAliveMaxTimeout,
      headersTimeout: 0,
      bodyTimeout: 0,
      pipelining: isLenient ? 0 : 1,
    };
    if (proxy) {
      const connect = createConnector({
        ...limits,
        addressScope: 'any',
        tls: { secureContext: plainContext() },
      });
      return new ProxyAgent({
        ...pool,
        uri: proxy.href,
        requestTls: { ...tlsOptions, allowH2: false, timeout: limits.timeout },
        // A tunnel that the proxy does not open is waited for no longer than whoever wants it does.
        clientFactory: (origin: URL, options: object) =>
          new Pool(origin, { ...options, connect, headersTimeout: settings.headerTimeout(name) }),
        // Besides tunnels, undici makes its connections to the proxy for plain HTTP here.
        factory: (origin, options: { connect: buildConnector.connector }) =>
          new Pool(origin, {
            ...{ ...options, pipelining: pool.pipelining },
            connect: adapt(new URL(origin).origin === proxy.origin ? connect : options.connect),
          }),
      });
    }
    const connect = createConnector({
      ...{ ...limits, addressScope, onread, tls: tlsOptions },
      connected: (address) => kinds.set(url.hostname, addressKind(address)),
    });
    return new Pool(url.origin, { ...pool, connect: adapt(connect) });
  }

  function roots(): readonly string[] {
    knownRoots ??= [
      ...new Set([...tls.getCACertificates('default'), ...tls.getCACertificates('system'), ...deps.extraCa]),
    ];
    return knownRoots;
  }

  /** Reading some hundred roots takes a while: one context serves all who need no more. */
  function plainContext(): SecureContext {
    knownContext ??= tls.createSecureContext({ ca: [...roots()], allowPartialTrustChain: true });
    return knownContext;
  }

  function secureContext({ name, lent }: Route, key: string): SecureContext {
    const own = deps.certLookup(name);
    const others = lent && lent.from !== name ? deps.certLookup(lent.from) : undefined;
    const ca = [...own.ca, ...(others?.ca ?? [])];
    const pairs = own.pairs.length > 0 || !lent?.withPairs ? own.pairs : (others?.pairs ?? []);
    if (ca.length === 0 && pairs.length === 0) return plainContext();
    try {
      const sets = pairSets(pairs, deps.clock.now());
      const turn = (shown.get(key)?.turn ?? 0) % sets.length;
      const set = sets[turn] ?? [];
      if (sets.length > 1) shown.set(key, { sets: sets.length, turn });
      return tls.createSecureContext({
        ca: [...roots(), ...ca],
        allowPartialTrustChain: true,
        ...(set.length > 0 && { cert: set.map(({ cert }) => cert), key: set.map(({ key }) => key) }),
      });
    } catch (cause) {
      const message = `the certificates for ${name} cannot be used: ${reasonOf(cause)}`;
      throw new EntrepotError('TLS_UNUSABLE', message, { file: own.directory ?? others?.directory, cause });
    }
  }

  return {
    of(route) {
      const proxy = proxies.for(route.url, route.name);
      const key = poolKey(route, proxy);
      let pool = pools.get(key);
      if (!pool) {
        pool = create(route, proxy);
        pools.set(key, pool);
      }
      return pool;
    },
    proxyOf: (route) => proxies.for(route.url, route.name)?.host,
    forget: (route) => pools.delete(poolKey(route, proxies.for(route.url, route.name))),
    tolerateLengths(route) {
      const key = poolKey(route, proxies.for(route.url, route.name));
      if (lenient.has(key)) return;
      lenient.set(key, true);
      pools.delete(key);
    },
    nextCertificate(route) {
      const key = poolKey(route, proxies.for(route.url, route.name));
      pools.delete(key);
      const last = shown.get(key);
      if (!last) return false;
      const turn = (last.turn + 1) % last.sets;
      shown.set(key, { ...last, turn });
      return turn > 0;
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

function poolKey(route: Route, proxy: URL | undefined): string {
  const { url, name, verify, addressScope, lent } = route;
  const loan = lent && lent.from !== name ? [lent.from, lent.withPairs] : [];
  return [url.origin, name, verify, addressScope, proxy?.href ?? '', ...loan].join(' ');
}
