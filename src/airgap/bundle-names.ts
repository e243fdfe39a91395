/**
 * Names of a bundle's files, and of the entries in its volumes:
 *
 *   NAME.0001.tar  NAME.0002.tar          volumes
 *   NAME.sha256sums  NAME.sha256sums.sig  digests of the volumes as `sha256sum -c` reads them, and a signature of that file
 *   NAME.receipt.json                     what an import verified
 *
 *   blobs/sha256/HEX                      a whole content
 *   blobs/sha256/HEX.part-0001            the first part of a blob that lies in several volumes
 */
import { type Digest, digestAlgorithm, digestHex, parseDigest } from '../oci/digest.ts';

/** First entry of every volume. */
export const bundleManifestPath = 'entrepot-bundle.json';
/** Second and third entry of every volume (image-spec, "Image Layout"), and what `docker save` has beside them. */
export const layoutPaths = {
  layout: 'oci-layout',
  index: 'index.json',
  docker: 'manifest.json',
} as const;

/** Volumes and parts are numbered from 1 with four digits. */
export const maxVolumes = 9999;

/** `NAME.0001.tar`. */
export function volumeName(name: string, volume: number): string {
  return `${name}.${numbered(volume)}.tar`;
}

/** `NAME.sha256sums`. */
export function sumsName(name: string): string {
  return `${name}.sha256sums`;
}

/** `NAME.sha256sums.sig`. */
export function signatureName(name: string): string {
  return `${sumsName(name)}.sig`;
}

/** `NAME.receipt.json`. */
export function receiptName(name: string): string {
  return `${name}.receipt.json`;
}

/** Where a content lies in a volume. `part` counts from 1; undefined where it is not cut. */
export function contentPath(digest: Digest, part?: number): string {
  const whole = `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
  return part === undefined ? whole : `${whole}.part-${numbered(part)}`;
}

const contentForm = /^blobs\/([a-z0-9]+)\/([a-f0-9]+)(?:\.part-([0-9]{4}))?$/;

/** The content that an entry of a volume holds; undefined for an entry that is no content. */
export function parseContentPath(
  path: string,
): { readonly digest: Digest; readonly part: number | undefined } | undefined {
  const [, algorithm, hex, part] = contentForm.exec(path) ?? [];
  const digest = parseDigest(`${algorithm}:${hex}`);
  if (!digest || part === numbered(0)) return undefined;
  return { digest, part: part === undefined ? undefined : Number(part) };
}

function numbered(number: number): string {
  return String(number).padStart(4, '0');
}
