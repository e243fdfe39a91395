/**
 * HTTP to hosts that the configuration names and that are no registries, such as buckets: the same DNS, proxies, TLS and limits as
 * everything else, with settings of their own. No credentials of a registry go there, and no redirect is followed.
 */
import type { ProxyEnvironment } from '../../config/config.ts';
import type { KeyPair } from '../../config/files/key-pair.ts';
import { readCaFile } from '../../config/files/pem.ts';
import { literalKind } from '../../lib/address-kind.ts';
import type { ReadBlocks } from '../../lib/bytes/read-blocks.ts';
import type { Clock } from '../../lib/clock.ts';
import type { ViaChain } from '../../lib/flow/via-chain.ts';
import type { HostSettings } from '../host-settings.ts';
import { createConnectionLimit } from './connection-limit.ts';
import { createDispatchers } from './dispatchers.ts';
import type { Exchanged, HttpRequest } from './exchange.ts';
import type { Lookups } from './lookups.ts';
import { createProxies } from './proxies.ts';
import { createSender } from './sender.ts';

export interface HttpClient {
  /** Never rejects for what a server does. `bulk`: it waits behind smaller requests for a connection. */
  send(
    url: URL,
    request: HttpRequest,
    options?: { readonly signal?: AbortSignal | undefined; readonly bulk?: boolean },
  ): Promise<Exchanged>;
  /** Cuts all requests and bodies under way. */
  close(): Promise<void>;
}

/** For one server that proves itself in its own way. */
export interface ClientTls {
  /** PEM of the CAs that are trusted, alone. Undefined: those of the system. */
  readonly ca: readonly string[] | undefined;
  /** Shown as the client's certificate. */
  readonly pair: KeyPair | undefined;
  readonly verify: boolean;
  /** The name in the certificate, if it is not that of the URL. */
  readonly serverName: string | undefined;
}

export interface HttpClientDeps {
  readonly clock: Clock;
  readonly blocks: Pick<ReadBlocks, 'onread' | 'retain'>;
  readonly lookups: Lookups;
  readonly proxies: ProxyEnvironment;
  /** `entrepot/VERSION`. */
  readonly userAgent: string;
  readonly via: Pick<ViaChain, 'outgoing'>;
}

/** Times are milliseconds. */
export interface HttpClientOptions {
  /** Of the settings, for advice, such as `[[store]] "eu"`. */
  readonly name: string;
  readonly connectTimeout: number;
  readonly headerTimeout: number;
  /** In which an upload must move. */
  readonly stallTimeout: number;
  /** To one host at once. */
  readonly maxConnections: number;
  /** URL of a proxy, or `direct`; undefined: as the environment says. */
  readonly proxy: string | undefined;
  /** PEM of additional CAs. */
  readonly caFile: string | undefined;
  readonly tls?: ClientTls;
}

const lookupTimeout = 10_000;
/** The wait for one of the connections of a host. */
const queueTimeout = 30_000;

/** Throws EntrepotError TLS_UNUSABLE for a CA file that cannot be used. */
export function createHttpClient(deps: HttpClientDeps, options: HttpClientOptions): HttpClient {
  const { clock, blocks } = deps;
  const settings = settingsOf(options);
  const { caFile, name, tls } = options;
  const dispatchers = createDispatchers({
    ...deps,
    certLookup: () => ({ ca: [], pairs: tls?.pair ? [tls.pair] : [], directory: undefined }),
    roots: tls?.ca,
    proxies: createProxies(deps.proxies, settings),
    settings,
    extraCa: caFile === undefined ? [] : readCaFile(caFile, `ca_file of ${name}`),
  });
  const limit = { clock, longestWait: queueTimeout };
  const connectionLimit = createConnectionLimit(() => options.maxConnections, limit);
  const sender = createSender({
    ...{ ...deps, dispatchers, connectionLimit, settings, blocks },
    traceHeaders: () => ({}),
  });

  const way = { verify: tls?.verify ?? true, addressScope: 'any', serverName: tls?.serverName } as const;

  return {
    send: (url, request, sending) => sender.send({ url, name: url.host, ...way }, request, sending),
    close: () => dispatchers.close(),
  };
}

function settingsOf(options: HttpClientOptions): HostSettings {
  const { connectTimeout, headerTimeout, stallTimeout, maxConnections, proxy, name } = options;
  const none = {
    username: undefined,
    passwordFile: undefined,
    identityTokenFile: undefined,
    token: undefined,
  };
  const times = { connectTimeout, headerTimeout, stallTimeout };
  return {
    of: (host) => ({
      ...none,
      ...times,
      host,
      maxConnections,
      fetchers: undefined,
      proxy: isMetadata(host) ? 'direct' : proxy,
    }),
    lookupTimeout,
    queueTimeout,
    connectTimeout: () => connectTimeout,
    headerTimeout: () => headerTimeout,
    stallTimeout: () => stallTimeout,
    addressScope: () => 'any',
    advice: {
      ca: `put its CA into a file, and name it in ca_file of ${name}`,
      plainHttp: `write http:// in the endpoint of ${name}`,
    },
  };
}

/** The metadata services of clouds: a proxy would ask its own. */
function isMetadata(host: string): boolean {
  return literalKind(host.replace(/:\d+$/, '')) === 'linkLocal';
}
