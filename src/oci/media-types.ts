/** Media types of manifests, and the Accept lists that ask for all of them. */
export const mediaTypes = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerSchema1: 'application/vnd.docker.distribution.manifest.v1+json',
  dockerSchema1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
} as const;

/**
 * What to ask an upstream for: every type that a client may want, so that the cached manifest does not depend on the client that
 * asked first. To a list without the index types, registries answer 404 or one platform's manifest.
 */
export const manifestAccept: readonly string[] = [
  mediaTypes.ociIndex,
  mediaTypes.ociManifest,
  mediaTypes.dockerList,
  mediaTypes.dockerManifest,
  mediaTypes.dockerSchema1Signed,
  mediaTypes.dockerSchema1,
];

/** `application/json; charset=utf-8` -> `application/json`. */
export function bareMediaType(contentType: string): string {
  const semicolon = contentType.indexOf(';');
  return (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
}

/** The form of a media type (RFC 6838, section 4.2), without parameters. */
const mediaTypeForm = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/;

/** The media type for the header of an answer: `application/octet-stream` for a malformed type, and for a page that a browser would run. */
export function servableType(mediaType: string): string {
  const isPage = /^text\/html$|[/+]xml$|xhtml|svg/.test(mediaType);
  return mediaTypeForm.test(mediaType) && !isPage ? mediaType : 'application/octet-stream';
}

/** Whether manifests of this type list manifests of platforms. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerList;
}

/** What Docker takes a config of, or of a type below it: old images have the last three (moby, "supportedMediaTypes"). */
const imageConfigs = [
  'application/vnd.oci.image',
  'application/vnd.docker',
  'application/octet-stream',
  'application/json',
  'text/html',
];

/**
 * Whether a config of this type may belong to an image that a runtime runs, and not to another artifact. Docker runs more than the two
 * types of image configs, in any case, and what has no type. So what is no media type counts as well.
 */
export function isImageConfigType(mediaType: string): boolean {
  const type = mediaType.toLowerCase();
  const isBelow = (above: string) => type === above || type.startsWith(`${above}.`);
  return !mediaTypeForm.test(type) || imageConfigs.some(isBelow);
}

/** Whether it is Docker's schema 1, signed or not. */
export function isSchema1Type(mediaType: string): boolean {
  return mediaType === mediaTypes.dockerSchema1 || mediaType === mediaTypes.dockerSchema1Signed;
}

/** Whether content of this type is a manifest that this program reads or passes through. */
export function isManifestType(mediaType: string): boolean {
  return manifestAccept.includes(mediaType);
}
