/** What an export is asked for, and what it tells. All of it goes over the admin socket as JSON. */
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
  /** Absolute paths of receipts: what they list is left out. */
  readonly base: readonly string[];
  /** Absolute paths of volumes of earlier bundles, which are taken as delivered. */
  readonly since: readonly string[];
  /** ISO 8601, written in the bundle; undefined: no time is. */
  readonly created: string | undefined;
  /** Whether a bundle of one volume also has the `manifest.json` of `docker save`. */
  readonly forDocker: boolean;
  /** Only tells what would be written. Nothing is fetched. */
  readonly isDryRun: boolean;
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

export interface ExportOptions {
  readonly onProgress: (progress: ExportProgress) => void;
  readonly signal: AbortSignal;
}

export interface Exports {
  /**
   * Writes a bundle. What fails of an image is in the report. Throws EntrepotError: USAGE or REFERENCE_INVALID for wrong arguments,
   * BUNDLE_INVALID for a receipt that cannot be read, BUNDLE_UNWRITABLE where nothing can be written there, and once `signal` is
   * aborted. No file has its last name before it is whole.
   */
  export(request: ExportRequest, options: ExportOptions): Promise<ExportReport>;
}
