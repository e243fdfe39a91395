/** The result of rendering: files for the clients, and what they do not say. */

/** In the order in which the help and the documents have them. */
export const renderFormats = [
  'registries.conf',
  'idms',
  'itms',
  'icsp',
  'hosts.toml',
  'registries.yaml',
  'daemon.json',
] as const;

export type RenderFormat = (typeof renderFormats)[number];

export interface Rendered {
  /** Sorted by path. One file, but for `hosts.toml`: there one for each registry, or none. */
  readonly files: readonly RenderedFile[];
  readonly warnings: readonly RenderWarning[];
}

export interface RenderedFile {
  /** Relative, with slashes: `certs.d/quay.io/hosts.toml`. Never leaves the folder that it is written to. */
  readonly path: string;
  /** The same for the same input, to the byte. */
  readonly text: string;
}

/** Something that is in force here and that the rendered files do not say. */
export interface RenderWarning {
  /** The prefix of the entry; undefined for a key of the whole file. */
  readonly entry: string | undefined;
  /** The location of the mirror, if it is about one. */
  readonly mirror: string | undefined;
  /** The key of registries.conf, or the flag, that has no counterpart. */
  readonly key: string;
  /** What the client does instead, and the way out if there is one. */
  readonly message: string;
}

/** Collects warnings. */
export type Warn = (
  place: { readonly entry?: string; readonly mirror?: string },
  key: string,
  message: string,
) => void;
