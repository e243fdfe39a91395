/**
 * All configuration, read and checked, as one frozen value. Files become this in `load.ts`; nothing else in the
 * program reads a configuration file, and only config/ and cli/ look at the environment.
 */
import type { AuditSettings } from '../telemetry/audit/audit-settings.ts';
import type { TracingSettings } from '../telemetry/tracing/tracing-settings.ts';
import type { ClusterConfig } from './cluster-config.ts';
import type { EventSender } from './event-senders.ts';
import type { EventSink } from './event-sink.ts';
import type { GateConfig, LoadedGate } from './gates/gate-config.ts';
import type { PolicyObject } from './policies/policy-object.ts';
import type { RegistriesConf } from './registries-conf/registries.ts';
import type { SettingInForce } from './settings.ts';
import type { StoreConfig } from './store-config.ts';
import type { SyncBlock } from './sync-config.ts';

/** What `loadConfig` gives: checked, complete and frozen. */
export interface Config {
  readonly registries: RegistriesConf;
  readonly server: ServerConfig;
  /** Where credentials and certificates are looked for: the files are read when they are needed. */
  readonly paths: ConfigPaths;
  readonly proxies: ProxyEnvironment;
  /** Whether OpenSSL's FIPS provider is in force. */
  readonly fips: boolean;
  /** `server.gates` with what their files hold. */
  readonly gates: readonly LoadedGate[];
  /** Those that were read: registries.conf and its drop-ins, objects of a cluster, entrepot.toml, files that gates name. */
  readonly files: readonly string[];
  readonly warnings: readonly ConfigWarning[];
  /** The objects of a cluster that are in force; undefined if no folder of them is named. */
  readonly policies: readonly PolicyObject[] | undefined;
  /** The entrepot.toml that was read. */
  readonly serverFile: string | undefined;
  /** Every key of entrepot.toml as it is in force. */
  readonly settings: readonly SettingInForce[];
}

/** `[facts]`: what replicas know together. */
export interface FactsConfig {
  /** An absolute path of a file with the URL of PostgreSQL. */
  readonly urlFile: string;
  /** ms without a word from a replica after which what it needs counts no more: it does not come back. */
  readonly goneAfter: number;
}

/** A finding that does not make the configuration unusable. */
export interface ConfigWarning {
  readonly file: string;
  /** 1-based; undefined if the finding belongs to no line. */
  readonly line?: number | undefined;
  readonly message: string;
}

/** Paths that the ecosystem searches, whether or not anything is there. */
export interface ConfigPaths {
  /** Auth files in the order of the look-up (docs/configuration.md). */
  readonly authFiles: readonly AuthFilePath[];
  /** certs.d directories in the order of the search. The first one with a directory for the host is used. */
  readonly certDirectories: readonly string[];
}

/** One file of the look-up of credentials. */
export interface AuthFilePath {
  readonly path: string;
  /** `dockercfg`: the top level is the `auths` map. */
  readonly format: 'auth.json' | 'dockercfg';
  /** The user has named it, so it must exist. */
  readonly explicit: boolean;
  /** In a folder that root may have closed. A process that may not enter it counts the file as missing. */
  readonly belowRoots?: true;
}

/** HTTP_PROXY, HTTPS_PROXY and NO_PROXY (lower case wins); undefined if unset or empty. */
export interface ProxyEnvironment {
  readonly http: string | undefined;
  readonly https: string | undefined;
  readonly no: string | undefined;
}

/** entrepot.toml with flags and variables applied. Times are in milliseconds, sizes in bytes. */
export interface ServerConfig {
  readonly listen: { readonly host: string; readonly port: number };
  /** Absolute. */
  readonly data: string;
  /** Absolute path of the folder with objects of an OpenShift cluster, which change registries.conf (`policies/`). */
  readonly policies: string | undefined;
  /** Further objects: those of the cluster that this program watches (`kubernetes/`). */
  readonly policiesFrom: 'kubernetes' | undefined;
  readonly tls: TlsPaths;
  /** Networks of the proxies that tell the address of a client. */
  readonly trustedProxies: readonly string[];
  /** True: a change of its files reloads the configuration. False: only SIGHUP does. */
  readonly reloadOnChange: boolean;
  readonly log: {
    readonly level: 'debug' | 'info' | 'warn' | 'error';
    /** Undefined: text in a terminal, JSON elsewhere. */
    readonly format: 'text' | 'json' | undefined;
  };
  readonly audit: AuditSettings;
  /** Undefined: no spans are made. */
  readonly tracing: TracingSettings | undefined;
  readonly limits: {
    /** The time that a stop waits for answers in flight. */
    readonly stopGrace: number;
    /** The time that a stopping server still accepts requests while `/readyz` says 503. */
    readonly drainDelay: number;
    /** Client connections at once. One more closes an idle one, or is closed itself if none is idle. */
    readonly maxConnections: number;
    /** The time that a client may take for one chunk of a blob (up to 1 MiB). */
    readonly clientStall: number;
  };
  readonly routing: {
    readonly defaultRegistry: string;
    /** For a registry that registries.conf does not list. */
    readonly unlisted: 'refuse' | 'direct';
    /** `Host` header in lower case, with or without its port -> registry. */
    readonly hosts: ReadonlyMap<string, string>;
    /** First path component -> registry. */
    readonly names: ReadonlyMap<string, string>;
  };
  readonly access: AccessConfig;
  /** The first that matches an image counts. */
  readonly push: readonly PushRule[];
  /** In the order of the file; their names differ. */
  readonly syncs: readonly SyncBlock[];
  /** In the order of the file; their names differ. */
  readonly eventSenders: readonly EventSender[];
  /** In the order of the file; their names differ. */
  readonly eventSinks: readonly EventSink[];
  /** Checks before a manifest is answered. In the order of the file; their names differ. */
  readonly gates: readonly GateConfig[];
  /** Of this server in events, without a slash at its end. Undefined: as the client of a push calls it. */
  readonly publicUrl: string | undefined;
  /** `[facts]`. Undefined: this replica keeps its facts to itself. */
  readonly facts: FactsConfig | undefined;
  /** Buckets for content, nearest first; their names differ. */
  readonly stores: readonly StoreConfig[];
  readonly upstream: UpstreamConfig;
  /** Undefined: this replica is alone. */
  readonly cluster: ClusterConfig | undefined;
  readonly transfer: {
    /** Whether a transfer goes on after its last reader has left: always, never, or if at least this share (0..1) is present. */
    readonly fill: 'always' | 'never' | number;
    /** Bytes that may wait in memory to be written, of all transfers together. */
    readonly writeBehind: number;
  };
  readonly cache: {
    /** Undefined: only the disk bounds the cache. */
    readonly maxSize: number | undefined;
    /** Free space that the cache leaves on the disk. */
    readonly minFree: number;
    readonly quotas: readonly { readonly match: string; readonly maxSize: number }[];
    readonly pins: readonly string[];
    /** Names of the `[[sync]]` blocks with `pin = true`. */
    readonly pinnedBy: readonly string[];
    /** All content is read and verified once every `every` ms (undefined: never), at `rate` bytes per second. */
    readonly scrub: { readonly every: number | undefined; readonly rate: number };
  };
  readonly freshness: {
    readonly tag: number;
    readonly missing: number;
    /** What happens to a cached tag when every endpoint says 404. */
    readonly onMissing: 'drop' | 'keep';
    /** A client gets the stale tag at once; the answer after the revalidation is the fresh one. */
    readonly serveStaleWhileRevalidating: boolean;
    readonly rules: readonly { readonly match: string; readonly tag: number }[];
  };
}

/** What a rule can allow. `administer` belongs to no repository. */
export const rights = ['pull', 'push', 'delete', 'administer'] as const;
export type Right = (typeof rights)[number];

/** `[access]`: which credentials there are, and what they allow. Paths are absolute. */
export interface AccessConfig {
  /** What every client may do, on all images. */
  readonly anonymous: readonly Right[];
  readonly rules: readonly AccessRule[];
  readonly htpasswd: string | undefined;
  /** PEM of the private key that signs tokens; undefined: keys of the data folder. */
  readonly tokenKey: string | undefined;
  /** URL that clients get tokens at: of another token server if there are `issuers`, else of this one (`/token`). Undefined: by Host. */
  readonly realm: string | undefined;
  readonly oidc: readonly OidcConfig[];
  readonly issuers: readonly IssuerConfig[];
}

export interface AccessRule {
  /** Names of principals; `*` stands for any characters. */
  readonly who: readonly string[];
  /** Glob over `registry/repository`. */
  readonly match: string;
  readonly may: readonly Right[];
  /** 1-based, in entrepot.toml. */
  readonly line?: number | undefined;
}

/** An OpenID Connect issuer. Bearer tokens of it are accepted. */
export interface OidcConfig {
  /** Exactly the `iss` of its tokens; its discovery document is below this URL. */
  readonly issuer: string;
  readonly audience: string;
  /** Claims for the name of the principal and its groups. */
  readonly name: string;
  readonly groups: string;
}

/** Another token server for registries: its tokens say in the claim `access` what they allow. */
export interface IssuerConfig {
  readonly issuer: string;
  readonly audience: string;
  /** File of PEM certificates or public keys, or a JWKS. */
  readonly keys: string;
  /** Glob over `registry/repository`: its tokens are good for no other image. */
  readonly match: string;
}

/**
 *   mode      what is pushed is          a pull asks
 *   local     hosted                     this server alone
 *   overlay   hosted                     this server, then the endpoints
 *   fill      cached, like a pull        the endpoints, as ever; a tag follows them when they answer
 */
export type PushMode = 'local' | 'overlay' | 'fill';

/** One `[[push]]`. */
export interface PushRule {
  /** Glob over `registry/repository`. */
  readonly match: string;
  readonly mode: PushMode;
  /** Whether manifests, tags and blobs may be deleted. */
  readonly delete: boolean;
  /** Globs of tags that never move once they are there. */
  readonly immutable: readonly string[];
  /** Buckets that have to have a push before it is answered. Undefined: one, if there is one for the image. */
  readonly durable?: number;
}

/** Absolute paths of PEM files. `certificate` and `key` are both set, or both undefined: clients then speak plain HTTP. */
export interface TlsPaths {
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  /** CAs. One of them must have signed the certificate of each client. */
  readonly clientCa: string | undefined;
}

/** `[upstream]`: how endpoints are asked. */
export interface UpstreamConfig {
  /** For DNS to give the addresses of a host. */
  readonly lookupTimeout: number;
  readonly connectTimeout: number;
  readonly headerTimeout: number;
  readonly stallTimeout: number;
  /** For one request to all endpoints together, until an answer has begun. */
  readonly totalTimeout: number;
  /** The wait for one of the `maxConnections` of a host. */
  readonly queueTimeout: number;
  /** For endpoints without `insecure` in their own table of registries.conf. */
  readonly insecure: boolean;
  /** Token servers outside the domain of the registry that may get its credentials. */
  readonly tokenRealms: readonly string[];
  /** No host is contacted. */
  readonly offline: boolean;
  /** A PEM file of additional CAs, for a firewall that intercepts TLS. */
  readonly caFile: string | undefined;
  readonly hosts: readonly UpstreamHostConfig[];
}

/** `[[upstream.host]]` for one `host[:port]`; undefined means the value of `[upstream]`. */
export interface UpstreamHostConfig {
  readonly host: string;
  readonly connectTimeout: number | undefined;
  readonly headerTimeout: number | undefined;
  readonly stallTimeout: number | undefined;
  /** Connections at once. */
  readonly maxConnections: number | undefined;
  /** Fetchers that may fill one large blob at once. */
  readonly fetchers: number | undefined;
  /** URL of a proxy, or `direct` for none, even if the environment names one. */
  readonly proxy: string | undefined;
  readonly username: string | undefined;
  /** Files with one secret each. They are read again when they change. */
  readonly passwordFile: string | undefined;
  readonly identityTokenFile: string | undefined;
  /** Tokens for the host are signed here, and no token server is asked. */
  readonly token: HostToken | undefined;
}

/** `token` of a `[[upstream.host]]`: what the registry expects of a token server that it trusts. */
export interface HostToken {
  /** PEM of the private key. It is read again when it changes. */
  readonly keyFile: string;
  readonly issuer: string;
  readonly audience: string;
  /** How the token names its key: `libtrust` (distribution 2, GitLab), `thumbprint` (RFC 7638, distribution 3), or the name itself. */
  readonly kid: string;
  /** Milliseconds that a token is valid. */
  readonly expiry: number;
}
