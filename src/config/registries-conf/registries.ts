/** The result of reading, checking and merging all files of registries.conf. */

/** Stands for the auth files among the credential helpers. */
export const authFilesHelper = 'containers-auth.json';

/** The whole configuration. */
export interface RegistriesConf {
  /** Sorted by prefix in byte order; each prefix once. */
  readonly entries: readonly RegistryEntry[];
  /** Undefined if no file has the key, which differs from an empty list. */
  readonly unqualifiedSearchRegistries: readonly string[] | undefined;
  readonly shortNameMode: 'enforcing' | 'permissive' | 'disabled';
  /** Name -> registry/repository. Erased names are not in it. */
  readonly aliases: ReadonlyMap<string, string>;
  /** `containers-auth.json` means the auth files; any other name N means the program docker-credential-N. */
  readonly credentialHelpers: readonly string[];
  readonly additionalLayerStoreAuthHelper: string;
  /** The files that were read, in order. */
  readonly files: readonly string[];
}

/** One `[[registry]]` table. */
export interface RegistryEntry {
  /** `host[:port][/path]` or `*.domain`. */
  readonly prefix: string;
  /** Empty: a matching reference keeps its name. */
  readonly location: string;
  /** Undefined: the table does not have the key, and `upstream.insecure` decides. */
  readonly insecure: boolean | undefined;
  readonly blocked: boolean;
  readonly mirrorByDigestOnly: boolean;
  /** `namespace-proxy` (image library 5.42): every request has `ns=` with this value. */
  readonly namespaceProxy?: string;
  readonly mirrors: readonly MirrorEntry[];
  readonly origin: Origin;
  /** 1-based; undefined if the table has no prefix. */
  readonly prefixLine?: number;
  /** What set `insecure` or `blocked`, if it was an object of a cluster (`config/policies`). */
  readonly insecureOrigin?: Origin;
  readonly blockedOrigin?: Origin;
}

/** One `[[registry.mirror]]` table. */
export interface MirrorEntry {
  readonly location: string;
  readonly insecure: boolean | undefined;
  readonly pullFromMirror: 'all' | 'digest-only' | 'tag-only';
  readonly namespaceProxy?: string;
  readonly origin: Origin;
  readonly insecureOrigin?: Origin;
}

/** The place of an entry in a file: the line of its `location`, or of its table if it has none. */
export interface Origin {
  /** `built-in` for the built-in list. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** The object of a cluster that holds the line; undefined in registries.conf. */
  readonly object?: OriginObject;
}

/** An object as its manifest names it. `name` is empty if it has none. */
export interface OriginObject {
  readonly kind: string;
  readonly name: string;
}
