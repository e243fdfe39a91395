/**
 * Takes the paths of the distribution API (distribution-spec, "Endpoints") apart, from the URL exactly as sent:
 *
 *   /v2/<name>/manifests/<tag or digest>   /v2/<name>/tags/list
 *   /v2/<name>/blobs/<digest>              /v2/<name>/referrers/<digest>
 *
 * The keyword is searched from the end, so that a name may contain a component `manifests`. Each piece is percent-decoded once, after
 * the path was split: `%2f` never makes a new path segment, and a piece that was encoded twice still has a `%`, which no grammar
 * allows. Only the length of pieces is checked here.
 */
import { quoted, type Refusal, refused } from './refusal.ts';

export interface AddressedPath {
  /** `<name>`, decoded. It may begin with a registry (`namespaces.ts`). */
  readonly name: string;
  readonly kind: 'manifest' | 'blob' | 'tags' | 'referrers';
  /** The part after the keyword, decoded; empty for tags. */
  readonly reference: string;
}

/** The parameters of the query that this program knows, decoded. */
export interface AddressedQuery {
  readonly ns?: string;
  readonly n?: string;
  readonly last?: string;
  readonly artifactType?: string;
}

export type Addressed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: Refusal };

/** Enough for a name of 255 characters and a digest of 135, with each character percent-encoded. */
const maxPathLength = 1400;
const maxQueryLength = 2048;

const kinds: ReadonlyMap<string, AddressedPath['kind']> = new Map([
  ['manifests', 'manifest'],
  ['blobs', 'blob'],
  ['referrers', 'referrers'],
  ['tags', 'tags'],
]);

/** containerd appends `/v2` to the path of a host in hosts.toml even if the path ends with it, unless `override_path` is set. */
export const overridePathHint =
  'if containerd asks, write override_path = true below the host with this path in its hosts.toml';

/** `rawPath` is the path of the URL as sent, without the query. Refuses paths that are not part of the API. */
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

  const name = decodePiece(rawPath.slice(4, keywordSlash));
  if (name === undefined) return refused('name', `the path ${quoted(rawPath)} is not percent-encoded UTF-8`);
  const reference = kind === 'tags' ? '' : decodePiece(rawReference);
  if (reference === undefined) {
    return refused('tag', `the reference ${quoted(rawReference)} is not percent-encoded UTF-8`);
  }
  return { ok: true, value: { name, kind, reference } };
}

/** `rawQuery` is the part after the question mark. Unknown parameters are ignored; a known one may occur once. */
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
    const value = equals < 0 ? '' : decodePiece(pair.slice(equals + 1).replaceAll('+', '%20'));
    if (value === undefined) return refused(reason, `${key} in the query is not percent-encoded UTF-8`);
    found[key] = value;
  }
  // `+` is a space in the query of a form, but media types contain it, and clients often send it unescaped.
  if (found.artifactType !== undefined) found.artifactType = found.artifactType.replaceAll(' ', '+');
  return { ok: true, value: found };
}

/** One piece of a path, percent-decoded once; undefined where that gives no text. */
export function decodePiece(text: string): string | undefined {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
