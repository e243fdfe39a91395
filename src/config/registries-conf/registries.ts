/** registries.conf after reading, checking and merging all files. */
export interface RegistriesConf {
  /** Sorted by prefix, byte order; each prefix once. */
  readonly entries: readonly RegistryEntry[];
  /** Absent and empty differ: undefined where no file says. */
  readonly unqualifiedSearchRegistries: readonly string[] | undefined;
  readonly shortNameMode: 'enforcing' | 'permissive' | 'disabled';
  /** Name -> registry/repository. Erased names are not in it. */
  readonly aliases: ReadonlyMap<string, string>;
  /** `containers-auth.json` stands for the auth files; any other name N for the program docker-credential-N. */
  readonly credentialHelpers: readonly string[];
  readonly additionalLayerStoreAuthHelper: string;
  /** Files read, in order; empty when the built-in list serves. */
  readonly files: readonly string[];
}

export interface RegistryEntry {
  /** `host[:port][/path]` or `*.domain`. */
  readonly prefix: string;
  /** Empty: a reference that matches keeps its name. */
  readonly location: string;
  /** Undefined where the table does not say: `upstream.insecure` decides then. */
  readonly insecure: boolean | undefined;
  readonly blocked: boolean;
  readonly mirrorByDigestOnly: boolean;
  /** `namespace-proxy` (image library 5.42): every request bears `ns=` with this value. */
  readonly namespaceProxy?: string;
  readonly mirrors: readonly MirrorEntry[];
  readonly origin: Origin;
  /** 1-based, where a prefix is written. */
  readonly prefixLine?: number;
}

export interface MirrorEntry {
  readonly location: string;
  readonly insecure: boolean | undefined;
  readonly pullFromMirror: 'all' | 'digest-only' | 'tag-only';
  readonly namespaceProxy?: string;
  readonly origin: Origin;
}

/** Where something is written: the line of `location`, or of its table where that has none. */
export interface Origin {
  /** `built-in` for the list that serves without a registries.conf. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
}
