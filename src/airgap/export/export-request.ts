/** What an export is asked for, and what it tells. All of it goes over the admin socket as JSON. */
import type { Digest } from '../../oci/digest.ts';
import type { Omitted } from '../bundle-manifest.ts';

export interface ExportRequest {
  /** Absolute path of the bundle, without the endings of its files: `/media/site` gives `/media/site.0001.tar`. */
  readonly to: string;
  /** References, and globs over what is known here. A reference without tag or digest means `latest`. */
  readonly images: readonly string[];
  /** Names of `[[sync]]` blocks. */
  readonly syncs: readonly string[];
  /** Such as `linux/arm64`; empty: all, and those of the block for images of a `[[sync]]`. */
  readonly platforms: readonly string[];
  /** Whether signatures and other referrers come along. */
  readonly referrers: boolean;
  /** Bytes that a volume has at most. */
  readonly volumeSize: number;
  /** What the other site has: it is left out. */
  readonly base: ExportBase;
  /** ISO 8601, written in the bundle; undefined: no time is. */
  readonly created: string | undefined;
  /** Whether a bundle of one volume also has the `manifest.json` of `docker save`. */
  readonly forDocker: boolean;
  /** Only tells what would be written. Nothing is fetched. */
  readonly isDryRun: boolean;
}

/** What the other site has, by its receipts or by assumption. */
export interface ExportBase {
  /** Ids of the receipts and bundles that say so, sorted. */
  readonly ids: readonly Digest[];
  readonly digests: readonly Digest[];
  /** Sentences for the report. */
  readonly notes: readonly string[];
}

export type ExportProgress =
  | {
      readonly step: 'bring';
      readonly reference: string;
      /** From 1. */
      readonly image: number;
      readonly images: number;
      /** Bytes of the blob that comes. */
      readonly done: number;
      readonly size: number;
    }
  | {
      readonly step: 'write';
      /** From 1. */
      readonly volume: number;
      readonly volumes: number;
      /** Bytes of all volumes. */
      readonly done: number;
      readonly size: number;
      /** Milliseconds since the writing began, and bytes that were written in them. */
      readonly milliseconds: number;
      readonly written: number;
    };

export interface ExportReport {
  /** Id of the bundle; null where it holds nothing. */
  readonly bundle: string | null;
  readonly volumes: readonly ExportedVolume[];
  /** Name of each reference, with its digest. */
  readonly images: readonly ExportedImage[];
  /** Manifests and blobs in the bundle, and their bytes. */
  readonly contents: number;
  readonly bytes: number;
  readonly omitted: readonly Omitted[];
  /** Bytes that are not here yet, of a dry run; as far as they are known. */
  readonly missingBytes: number;
  /** Digests in the bundle: what is lacking at the site of a receipt. */
  readonly digests: readonly string[];
  /** `NAME.sha256sums`; empty for a dry run. */
  readonly sums: string;
  /** Images that were left out, and what is attached and could not be had: sentences. */
  readonly failures: readonly string[];
  readonly notes: readonly string[];
}

export interface ExportedVolume {
  /** Name of the file, without its folder. */
  readonly file: string;
  readonly bytes: number;
  /** Hex; null for a dry run. */
  readonly sha256: string | null;
  /** It was there, and is right. */
  readonly isKept: boolean;
}

export interface ExportedImage {
  /** `registry/repository:tag`, or with a digest. */
  readonly reference: string;
  readonly digest: string;
  /** Bytes that only a fetch would bring, of a dry run. */
  readonly missingBytes: number;
}

/** All of a bundle is planned, and its contents are held: its volumes can be read. */
export interface PreparedBundle {
  /** Its id. */
  readonly bundle: string;
  readonly volumes: readonly PreparedVolume[];
  /**
   * The bytes of a volume, from 1. A chunk is valid until the next one is asked for. Throws EntrepotError BUNDLE_UNWRITABLE where a content is
   * damaged or gone.
   */
  read(volume: number): AsyncIterable<Uint8Array>;
}

export interface PreparedVolume {
  /** From 1. */
  readonly volume: number;
  /** Name of the file, without its folder. */
  readonly file: string;
  /** Of the whole tar. */
  readonly bytes: number;
}

export interface WrittenVolume {
  readonly file: string;
  /** Hex. */
  readonly sha256: string;
  /** It was there, and is right. */
  readonly isKept: boolean;
}

/** Puts the volumes where they belong: the command does that, not the server, so it is its user and its folders that count. */
export type WriteBundle = (bundle: PreparedBundle) => Promise<readonly WrittenVolume[]>;

export interface ExportOptions {
  readonly onProgress: (progress: ExportProgress) => void;
  readonly signal: AbortSignal;
  /** Not called for a dry run, and where there is nothing to write. Resolves when all volumes are durable. */
  readonly write: WriteBundle;
}

export interface Exports {
  /**
   * Makes a bundle. What fails of an image is in the report. Throws EntrepotError: USAGE or REFERENCE_INVALID for wrong arguments,
   * BUNDLE_UNWRITABLE where the cache has no room for it, and once `signal` is aborted; and what `write` throws.
   */
  export(request: ExportRequest, options: ExportOptions): Promise<ExportReport>;
}
