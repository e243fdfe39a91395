/**
 * undici's connection pools: one for each origin and way of reaching it (TLS verified or not, proxy, how near an address may
 * be). They are made when first needed and thrown away after a TLS failure, so that a certificate put into certs.d is seen by the next try.
 */
import { lookup as dnsLookup, type LookupAddress, type LookupAllOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';
import tls, { type SecureContext, type TLSSocket } from 'node:tls';
import { LRUCache } from 'lru-cache';
import { buildConnector, type Dispatcher, Pool, ProxyAgent } from 'undici';
import type { CertLookup } from '../config/certs-d.ts';
import { EntrepotError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { ReadBlocks } from '../lib/read-blocks.ts';
import {
  type AddressKind,
  addressKind,
  isWithinReach,
  literalKind,
  type Reach,
  tooNearReason,
} from './addresses.ts';
import type { HostSettings } from './host-settings.ts';
import type { Proxies } from './proxies.ts';
import { ForbiddenAddressError } from './transport-fault.ts';

/** How one URL is to be reached. */
export interface Route {
  readonly url: URL;
  /** The host as the configuration calls it: finds settings and certificates. */
  readonly name: string;
  readonly verify: boolean;
  readonly reach: Reach;
}

export type ResolveAll = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface Dispatchers {
  /** Throws EntrepotError TLS_UNUSABLE where the host's certificates cannot be used. */
  of(route: Route): Dispatcher;
  /** `host:port` of the proxy that stands between, if one does. */
  proxyOf(route: Route): string | undefined;
  /** Certificates are read again by the next `of`. */
  forget(route: Route): void;
  /** What the host's name led to when we last connected to it. */
  kindOf(hostname: string): AddressKind | undefined;
  /** Cuts what is under way at once; with `graceMs`, only what has not come to its end by then. `of` makes new pools after it. */
  close(graceMs?: number): Promise<void>;
}

const maxPools = 512;
const maxHeaderSize = 64 * 1024;
const keepAliveTimeout = 10_000;

export function createDispatchers(deps: {
  certLookup: CertLookup;
  proxies: Proxies;
  settings: HostSettings;
  /** What sockets read into. */
  blocks: Pick<ReadBlocks, 'onread' | 'size'>;
  clock: Clock;
  /** PEM of additional CAs for every host. */
  extraCa: readonly string[];
  /** Default: the system's. */
  resolve?: ResolveAll;
}): Dispatchers {
  const { settings, proxies, resolve = dnsLookup } = deps;
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
  let knownRoots: readonly string[] | undefined;
  let knownContext: SecureContext | undefined;

  function create(route: Route, proxy: URL | undefined): Dispatcher {
    const connectTimeout = settings.connectTimeout(route.name);
    const isTls = route.url.protocol === 'https:';
    const connect = {
      timeout: connectTimeout,
      allowH2: false,
      onread: deps.blocks.onread,
      rejectUnauthorized: route.verify,
      ...(isTls && { secureContext: secureContext(route.name) }),
    };
    const pool = { allowH2: false, maxHeaderSize, keepAliveTimeout, headersTimeout: 0, bodyTimeout: 0 };
    if (proxy) {
      return new ProxyAgent({
        ...pool,
        uri: proxy.href,
        requestTls: connect,
        proxyTls: { timeout: connectTimeout, allowH2: false, secureContext: plainContext() },
        // A tunnel that the proxy does not open is waited for no longer than whoever wants it does.
        clientFactory: (origin: URL, options: object) =>
          new Pool(origin, { ...options, headersTimeout: settings.headerTimeout(route.name) }),
      });
    }
    const connector = buildConnector({
      ...connect,
      autoSelectFamily: true,
      lookup: guardedLookup(resolve, route.reach),
    });
    const connected = (address: string) => kinds.set(route.url.hostname, addressKind(address));
    return new Pool(route.url.origin, { ...pool, connect: noting(connector, connected) });
  }

  function roots(): readonly string[] {
    knownRoots ??= [
      ...new Set([...tls.getCACertificates('default'), ...tls.getCACertificates('system'), ...deps.extraCa]),
    ];
    return knownRoots;
  }

  /** Reading some hundred roots takes a while: one context serves all who need no more. */
  function plainContext(): SecureContext {
    knownContext ??= tls.createSecureContext({ ca: [...roots()] });
    return knownContext;
  }

  function secureContext(name: string): SecureContext {
    const { ca, pairs, directory } = deps.certLookup(name);
    if (ca.length === 0 && pairs.length === 0) return plainContext();
    try {
      return tls.createSecureContext({
        ca: [...roots(), ...ca],
        ...(pairs.length > 0 && { cert: pairs.map((pair) => pair.cert), key: pairs.map((pair) => pair.key) }),
      });
    } catch (cause) {
      const message = `the certificates for ${name} cannot be used: ${(cause as Error).message}`;
      throw new EntrepotError('TLS_UNUSABLE', message, { file: directory, cause });
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
  return [route.url.origin, route.name, route.verify, route.reach, proxy?.href ?? ''].join(' ');
}

/** Refuses a name as soon as one of its addresses is too near. */
function guardedLookup(resolve: ResolveAll, reach: Reach): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const first = addresses?.[0];
      if (error || !first) return callback(error ?? new Error(`no address for ${hostname}`), '');
      const tooNear = addresses.find(({ address }) => !isWithinReach(addressKind(address), reach));
      if (tooNear)
        return callback(new ForbiddenAddressError(tooNearReason(hostname, addressKind(tooNear.address))), '');
      if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

/**
 * Tells the address that a connection was made to, over TLS a verified one: what DNS says besides is anybody's word. And puts
 * the end of the peer's certificate on the error: Node says that it expired, but not when.
 */
function noting(
  connector: buildConnector.connector,
  connected: (address: string) => void,
): buildConnector.connector {
  return (options, callback) => {
    let validTo: string | undefined;
    const socket = connector(options, (...result) => {
      if (result[0]) Object.assign(result[0], { validTo });
      else if (result[1].remoteAddress !== undefined) connected(result[1].remoteAddress);
      callback(...result);
    }) as unknown as TLSSocket | undefined;
    socket?.prependListener('secure', () => {
      validTo = socket.getPeerCertificate().valid_to;
    });
  };
}
