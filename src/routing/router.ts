/** Turns the request line and the Host header into a checked target, or into the reason why there is none. */
import type { PushRule, ServerConfig } from '../config/config.ts';
import type { RegistriesConf } from '../config/registries-conf/registries.ts';
import { parseDigest } from '../oci/digest.ts';
import { maxNameLength, parseRepository, parseTag } from '../oci/reference.ts';
import { createNamespaces } from './namespaces.ts';
import { type AddressedPath, type AddressedQuery, parsePath, parseQuery } from './parse-target.ts';
import { quoted, type Refusal, refused } from './refusal.ts';
import type { ImageName, PushTarget, Target } from './target.ts';
import { parseUploadPath } from './upload-path.ts';

export interface Router {
  route(request: RequestLine): Routed;
  /** The image that a repository name means, as a client addresses it in a path, a scope or `from`. */
  image(name: string, ns: string | undefined, host: string | undefined): RoutedImage;
  /** A request that writes, or that asks for an upload. */
  routePush(request: RequestLine): RoutedPush;
  /** Whether the configuration names this registry (`host[:port]`). With `repository`: or keeps that one here (mode `local`). */
  isListed(registry: string, repository?: string): boolean;
}

export interface RequestLine {
  /** The path of the URL as sent, without the query. */
  readonly rawPath: string;
  /** The part after the question mark, as sent; empty if there is none. */
  readonly rawQuery: string;
  /** The Host header. */
  readonly host: string | undefined;
}

export type Routed =
  | {
      readonly ok: true;
      readonly target: Target;
      /** `<name>` as the client addressed it. */
      readonly name: string;
      /** `ns`, if the request had it: a checked `host[:port]`, as sent. */
      readonly namespace: string | undefined;
    }
  | { readonly ok: false; readonly refusal: Refusal };

export type RoutedImage =
  | { readonly ok: true; readonly image: ImageName }
  | { readonly ok: false; readonly refusal: Refusal };

export type RoutedPush =
  | {
      readonly ok: true;
      readonly target: PushTarget;
      /** `<name>` as the client addressed it. */
      readonly name: string;
      /** `ns`, where it was used. */
      readonly namespace: string | undefined;
    }
  | { readonly ok: false; readonly refusal: Refusal };

/** Larger page sizes are cut to this one: no upstream gives more at once. */
const maxPageSize = 10_000;
const maxLastLength = 256;
const mediaTypeForm = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;

/** The router of one configuration. It contacts no host. */
export function createRouter(
  registries: RegistriesConf,
  routing: ServerConfig['routing'],
  push: readonly PushRule[] = [],
): Router {
  const namespaces = createNamespaces(registries, routing, push);

  function route(request: RequestLine): Routed {
    const path = parsePath(request.rawPath);
    if (!path.ok) return path;
    const query = parseQuery(request.rawQuery);
    if (!query.ok) return query;
    const { name } = path.value;
    const { ns } = query.value;
    const meant = image(name, ns, request.host);
    if (!meant.ok) return meant;
    const target = checkedTarget(meant.image, path.value, query.value);
    return 'reason' in target ? { ok: false, refusal: target } : { ok: true, target, name, namespace: ns };
  }

  function image(name: string, ns: string | undefined, host: string | undefined): RoutedImage {
    const meant = namespaces.resolve(name, ns, host);
    if (!meant.ok) return meant;
    const image = checkedImage(meant.registry, meant.path);
    if (!image) {
      return refused(
        'name',
        `${quoted(name)} is no image name: lower-case components joined by "/", at most ${maxNameLength} characters with the registry`,
      );
    }
    const refusal = namespaces.refusal(image.registry, image.repository);
    return refusal ? { ok: false, refusal: { ...refusal, image: image.name } } : { ok: true, image };
  }

  function routePush(request: RequestLine): RoutedPush {
    const path = parseUploadPath(request.rawPath);
    if (path === undefined) {
      const routed = route(request);
      if (!routed.ok) return routed;
      const { target } = routed;
      if (target.kind !== 'manifest' && target.kind !== 'blob') {
        return refused('path', `${quoted(request.rawPath)} is nothing that can be written`);
      }
      return { ...routed, target };
    }
    if (!path.ok) return path;
    const query = parseQuery(request.rawQuery);
    if (!query.ok) return query;
    const { name, id } = path.value;
    const { ns } = query.value;
    const meant = image(name, ns, request.host);
    if (!meant.ok) return meant;
    return { ok: true, target: { kind: 'upload', image: meant.image, id }, name, namespace: ns };
  }

  return { route, image, routePush, isListed: namespaces.isListed };
}

function checkedImage(registry: string, path: string): ImageName | undefined {
  const repository = parseRepository(path);
  if (!repository || registry.length + 1 + repository.length > maxNameLength) return undefined;
  return { registry, repository, name: `${registry}/${repository}` };
}

function checkedTarget(image: ImageName, path: AddressedPath, query: AddressedQuery): Target | Refusal {
  const { registry, repository } = image;
  if (path.kind === 'tags') return tagsTarget(image, query);
  if (path.kind === 'manifest' && !path.reference.includes(':')) {
    const tag = parseTag(path.reference);
    if (!tag) {
      return {
        reason: 'tag',
        message: `${quoted(path.reference)} is no tag: at most 128 of letters, digits, "_", "." and "-"`,
      };
    }
    return { kind: 'manifest', image, reference: { registry, repository, tag } };
  }
  const digest = parseDigest(path.reference);
  if (!digest) {
    return {
      reason: 'digest',
      message: `${quoted(path.reference)} is no digest: sha256, sha384 or sha512, ":" and its lower-case hex digits`,
    };
  }
  switch (path.kind) {
    case 'manifest':
      return { kind: 'manifest', image, reference: { registry, repository, digest } };
    case 'blob':
      return { kind: 'blob', image, digest };
    case 'referrers': {
      const { artifactType } = query;
      // Servers need not filter (distribution-spec, "Listing Referrers"), so a filter that is no media type is ignored.
      const isFilter = artifactType !== undefined && mediaTypeForm.test(artifactType);
      const after = query.last === undefined ? undefined : parseDigest(query.last);
      return {
        ...{ kind: 'referrers', image, subject: digest },
        ...(isFilter && { artifactType }),
        ...(after && { after }),
      };
    }
  }
}

function tagsTarget(image: ImageName, query: AddressedQuery): Target | Refusal {
  const { n, last } = query;
  if (n !== undefined && !/^[0-9]{1,19}$/.test(n)) {
    return { reason: 'pagination', message: `n=${quoted(n)} is no number of tags` };
  }
  if (last !== undefined && last.length > maxLastLength) {
    return { reason: 'pagination', message: `last=${quoted(last)} is longer than any tag` };
  }
  return {
    kind: 'tags',
    image,
    ...(n !== undefined && { limit: Math.min(Number(n), maxPageSize) }),
    ...(last !== undefined && last !== '' && { after: last }),
  };
}
