/**
 * The distribution API's paths (distribution-spec, "Endpoints"), taken apart by hand from the raw URL:
 *
 *   /v2/<name>/manifests/<tag or digest>   /v2/<name>/tags/list
 *   /v2/<name>/blobs/<digest>              /v2/<name>/referrers/<digest>
 *
 * The keyword is looked for from the end, so that a name may itself hold a component `manifests`. Each piece is
 * percent-decoded once, after the path was split: `%2f` never makes a new path segment, and what is encoded twice
 * still holds a `%`, which no grammar allows. Pieces are not checked here beyond their length.
 */
import { quoted, type Refusal, refused } from './refusal.ts';

export interface AddressedPath {
  /** `<name>`, decoded. It may begin with a registry (`namespaces.ts`). */
  readonly name: string;
  readonly kind: 'manifest' | 'blob' | 'tags' | 'referrers';
  /** What follows the keyword, decoded; empty for tags. */
  readonly reference: string;
}

/** The parts of the query that mean something here, decoded. */
export interface AddressedQuery {
  readonly ns?: string;
  readonly n?: string;
  readonly last?: string;
  readonly artifactType?: string;
}

export type Addressed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: Refusal };

/** A name of 255 characters and a digest of 135, each character percent-encoded, fit in. */
const maxPathLength = 1400;
const maxQueryLength = 2048;

const kinds: ReadonlyMap<string, AddressedPath['kind']> = new Map([
  ['manifests', 'manifest'],
  ['blobs', 'blob'],
  ['referrers', 'referrers'],
  ['tags', 'tags'],
]);

/** containerd puts a second `/v2` behind the path of a host in hosts.toml, unless it is told that there is one. */
export const overridePathHint =
  'if containerd asks, write override_path = true below the host with this path in its hosts.toml';

/** `rawPath` is the path of the URL as sent, without the query. */
export function parsePath(rawPath: string): Addressed<AddressedPath> {
  if (rawPath.length > maxPathLength) {
    return refused('name', `the path has ${rawPath.length} characters, more than any image name needs`);
  }
  const lastSlash = rawPath.lastIndexOf('/');
  const keywordSlash = rawPath.lastIndexOf('/', lastSlash - 1);
  const kind = kinds.get(rawPath.slice(keywordSlash + 1, lastSlash));
  const rawReference = rawPath.slice(lastSlash + 1);
  const isKnown =
    rawPath.startsWith('/v2/') &&
    keywordSlash >= 4 &&
    kind !== undefined &&
    rawReference !== '' &&
    (kind !== 'tags' || rawReference === 'list');
  if (!isKnown) {
    const hint = /^\/v2\/.+\/v2\/?$/.test(rawPath) ? `: ${overridePathHint}` : '';
    return refused('path', `${quoted(rawPath)} is no path of the registry API${hint}`);
  }

  const name = decode(rawPath.slice(4, keywordSlash));
  if (name === undefined) return refused('name', `the path ${quoted(rawPath)} is not percent-encoded UTF-8`);
  const reference = kind === 'tags' ? '' : decode(rawReference);
  if (reference === undefined) {
    return refused('tag', `the reference ${quoted(rawReference)} is not percent-encoded UTF-8`);
  }
  return { ok: true, value: { name, kind, reference } };
}

/** `rawQuery` is what follows the question mark. Unknown parameters are ignored, a known one may come once. */
export function parseQuery(rawQuery: string): Addressed<AddressedQuery> {
  if (rawQuery === '') return { ok: true, value: {} };
  if (rawQuery.length > maxQueryLength) {
    return refused('path', `the query has ${rawQuery.length} characters; at most ${maxQueryLength} are read`);
  }
  const found: { ns?: string; n?: string; last?: string; artifactType?: string } = {};
  for (const pair of rawQuery.split('&')) {
    const equals = pair.indexOf('=');
    const key = equals < 0 ? pair : pair.slice(0, equals);
    if (key !== 'ns' && key !== 'n' && key !== 'last' && key !== 'artifactType') continue;
    const reason = key === 'ns' ? 'namespace' : 'pagination';
    if (found[key] !== undefined) return refused(reason, `the query names ${key} more than once`);
    const value = equals < 0 ? '' : decode(pair.slice(equals + 1).replaceAll('+', '%20'));
    if (value === undefined) return refused(reason, `${key} in the query is not percent-encoded UTF-8`);
    found[key] = value;
  }
  // `+` is a space in a form's query, but media types hold it and clients often send it bare.
  if (found.artifactType !== undefined) found.artifactType = found.artifactType.replaceAll(' ', '+');
  return { ok: true, value: found };
}

function decode(text: string): string | undefined {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
