/**
 * All configuration, read and checked, as one frozen value. Files become this in `load.ts`; nothing else in the
 * program reads a configuration file, and only config/ and cli/ look at the environment.
 */
import type { RegistriesConf } from './registries-conf/registries.ts';

export interface Config {
  readonly registries: RegistriesConf;
  readonly server: ServerConfig;
  /** Where credentials and certificates are looked for: the files are read when they are needed. */
  readonly paths: ConfigPaths;
  readonly proxies: ProxyEnvironment;
  readonly warnings: readonly ConfigWarning[];
}

export interface ConfigWarning {
  readonly file: string;
  /** 1-based, where it is known. */
  readonly line?: number | undefined;
  readonly message: string;
}

export interface ConfigPaths {
  /** Auth files in the order of the look-up (registries-conf.md section 13). */
  readonly authFiles: readonly AuthFilePath[];
  /** certs.d directories in the order of the search: the first that has the host's directory is used. */
  readonly certDirectories: readonly string[];
}

export interface AuthFilePath {
  readonly path: string;
  /** `dockercfg`: the top level is the `auths` map. */
  readonly format: 'auth.json' | 'dockercfg';
  /** Named by the user: then it must exist. */
  readonly explicit: boolean;
  /** In a folder that root may have closed: whoever may not enter it has no file there. */
  readonly belowRoots?: true;
}

/** HTTP_PROXY, HTTPS_PROXY and NO_PROXY as found (lower case wins), undefined where unset or empty. */
export interface ProxyEnvironment {
  readonly http: string | undefined;
  readonly https: string | undefined;
  readonly no: string | undefined;
}

/** entrepot.toml with flags and variables applied. Times in milliseconds, sizes in bytes. */
export interface ServerConfig {
  readonly listen: { readonly host: string; readonly port: number };
  /** Absolute. */
  readonly data: string;
  readonly tls: TlsPaths;
  /** Whether the configuration is read again when its files change, or on SIGHUP alone. */
  readonly reloadOnChange: boolean;
  readonly log: {
    readonly level: 'debug' | 'info' | 'warn' | 'error';
    /** Undefined: text in a terminal, else JSON. */
    readonly format: 'text' | 'json' | undefined;
  };
  readonly limits: {
    /** How long a stop waits for answers under way. */
    readonly stopGrace: number;
    /** How long a stop goes on as before, while `/readyz` says 503. */
    readonly drainDelay: number;
    /** Client connections at once; one more is closed as it comes, unless an idle one can make room. */
    readonly maxConnections: number;
    /** How long a client may take for one chunk of a blob (up to 1 MiB). */
    readonly clientStall: number;
  };
  readonly routing: {
    readonly defaultRegistry: string;
    /** What becomes of a registry that registries.conf does not list. */
    readonly unlisted: 'refuse' | 'direct';
    /** `Host` header in lower case (without port, or with it) -> registry. */
    readonly hosts: ReadonlyMap<string, string>;
    /** First path component -> registry. */
    readonly names: ReadonlyMap<string, string>;
  };
  readonly upstream: UpstreamConfig;
  readonly transfer: {
    /** When the last reader has left: fill on always, never, or when at least this share (0..1) is here. */
    readonly fill: 'always' | 'never' | number;
    /** Bytes of blobs that may be written behind, all transfers together. */
    readonly writeBehind: number;
  };
  readonly cache: {
    /** Undefined: bounded by the disk alone. */
    readonly maxSize: number | undefined;
    /** Free space that is left alone on the disk. */
    readonly minFree: number;
    readonly quotas: readonly { readonly match: string; readonly maxSize: number }[];
    readonly pins: readonly string[];
    /** All content is read and checked once in `every` ms (undefined: never), `rate` bytes per second. */
    readonly scrub: { readonly every: number | undefined; readonly rate: number };
  };
  readonly freshness: {
    readonly tag: number;
    readonly missing: number;
    /** What a tag becomes when every endpoint says 404. */
    readonly onMissing: 'drop' | 'keep';
    /** Nobody waits for a revalidation: the next answer after it is the fresh one. */
    readonly serveStaleWhileRevalidating: boolean;
    readonly rules: readonly { readonly match: string; readonly tag: number }[];
  };
}

/** Files of PEM, absolute. Loaded, `certificate` and `key` are both there or both not: then clients speak plain HTTP. */
export interface TlsPaths {
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  /** CAs of which one must have signed each client's certificate. */
  readonly clientCa: string | undefined;
}

export interface UpstreamConfig {
  /** For DNS to name a host's addresses. */
  readonly lookupTimeout: number;
  readonly connectTimeout: number;
  readonly headerTimeout: number;
  readonly stallTimeout: number;
  /** For one question to all endpoints together, until its answer has begun. */
  readonly totalTimeout: number;
  /** For one of a host's `maxConnections`. */
  readonly queueTimeout: number;
  /** For endpoints whose own table in registries.conf does not say. */
  readonly insecure: boolean;
  /** Hosts that may be given credentials though they are no part of the registry's domain. */
  readonly tokenRealms: readonly string[];
  /** Nobody is contacted. */
  readonly offline: boolean;
  /** PEM file of additional CAs, for a firewall that intercepts TLS. */
  readonly caFile: string | undefined;
  readonly hosts: readonly UpstreamHostConfig[];
}

/** What `[[upstream.host]]` says of one `host[:port]`; undefined means the general value. */
export interface UpstreamHostConfig {
  readonly host: string;
  readonly connectTimeout: number | undefined;
  readonly headerTimeout: number | undefined;
  readonly stallTimeout: number | undefined;
  /** Connections at once. */
  readonly maxConnections: number | undefined;
  /** Fetchers that may work on one large blob at once. */
  readonly fetchers: number | undefined;
  /** URL of a proxy, or `direct` for none whatever the environment says. */
  readonly proxy: string | undefined;
  readonly username: string | undefined;
  /** Files that hold one secret each; reread when they change. */
  readonly passwordFile: string | undefined;
  readonly identityTokenFile: string | undefined;
}
