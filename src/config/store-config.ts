/** `[[store]]`: buckets that hold content, nearest first. Paths are absolute, times are milliseconds. */

export type StoreConfig = S3StoreConfig | AzureStoreConfig;

interface AnyStoreConfig {
  readonly placement: StorePlacement;
  /** Of this store alone. */
  readonly name: string;
  /** Before each key: empty, or with a slash at its end. */
  readonly prefix: string;
  /** A PEM file of additional CAs. */
  readonly caFile: string | undefined;
  /** URL of a proxy, or `direct`; undefined: as the environment says. */
  readonly proxy: string | undefined;
  readonly connectTimeout: number;
  readonly headerTimeout: number;
  readonly stallTimeout: number;
  readonly maxConnections: number;
}

export interface S3StoreConfig extends AnyStoreConfig {
  readonly kind: 's3';
  readonly bucket: string;
  /** An origin; undefined: AWS in the region. */
  readonly endpoint: string | undefined;
  /** Undefined: as the environment says. */
  readonly region: string | undefined;
  readonly pathStyle: boolean | undefined;
  /** Undefined: the credentials of the surroundings. They are read again when they change. */
  readonly keyFiles:
    | {
        readonly accessKeyFile: string;
        readonly secretKeyFile: string;
        readonly sessionTokenFile: string | undefined;
      }
    | undefined;
  /** Signs the URLs that clients get, in place of the bucket's own. */
  readonly cloudFront: CloudFrontConfig | undefined;
}

export interface CloudFrontConfig {
  readonly url: string;
  readonly keyPairId: string;
  readonly privateKeyFile: string;
}

export interface AzureStoreConfig extends AnyStoreConfig {
  readonly kind: 'azure';
  readonly account: string;
  readonly container: string;
  /** URL of the account's blobs, without a slash at its end. */
  readonly endpoint: string;
  /** A file with an account key, or one with a shared access signature. Undefined: the credentials of the surroundings. */
  readonly accountKeyFile: string | undefined;
  readonly sasFile: string | undefined;
}

/** The files with one secret each that a block names. */
export function storeSecretFiles(store: StoreConfig): readonly string[] {
  const files =
    store.kind === 's3' ? Object.values(store.keyFiles ?? {}) : [store.accountKeyFile, store.sasFile];
  return files.filter((file) => file !== undefined);
}

/** Which content goes to the bucket, how fast, and which clients may be sent there. */
export interface StorePlacement {
  /** Globs over `registry/repository`; none: all images. */
  readonly match: readonly string[];
  /** Bytes in a second of uploads behind; undefined: no bound. */
  readonly uploadRate: number | undefined;
  /** Undefined: no client is redirected. */
  readonly redirect: StoreRedirect | undefined;
  /** Undefined: nothing is removed. */
  readonly sweep: StoreSweep | undefined;
}

/** What is removed from a bucket. */
export interface StoreSweep {
  /** ms after which an object that no image links is removed; undefined: it stays. */
  readonly after: number | undefined;
  /** Bytes above which the least recently used of what was pulled is removed; undefined: no bound. */
  readonly maxSize: number | undefined;
  /** ms between two sweeps; undefined: only on command. */
  readonly every: number | undefined;
}

export interface StoreRedirect {
  /** Of clients, as in `trusted_proxies`. */
  readonly networks: readonly string[];
  /** For which the URL works. */
  readonly seconds: number;
}
