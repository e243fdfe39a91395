/** Manifests from one endpoint: read whole, and believed only when digest, type and content agree. */
import { hexHash } from '../../lib/bytes/hex-hash.ts';
import { dropBody, readBody } from '../../lib/bytes/small-body.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Digest, digestAlgorithm, parseDigest } from '../../oci/digest.ts';
import { type Manifest, maxManifestBytes, readManifest } from '../../oci/manifest.ts';
import {
  bareMediaType,
  isManifestType,
  isSchema1Type,
  manifestAccept,
  servableType,
} from '../../oci/media-types.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import { isNamedBy, payloadDigest } from '../../oci/signed-schema1.ts';
import type { Ask } from '../attempt.ts';
import type { Endpoint } from '../endpoint.ts';
import { single } from '../health/rate-limits.ts';
import type { HostSettings } from '../host-settings.ts';
import type { HttpResponse, ResponseHeaders } from '../http/exchange.ts';
import type { Outcome } from '../outcome.ts';
import type { FetchedManifest, ManifestHead } from '../upstream.ts';
import { createHeadHabits } from './head-habits.ts';
import { type RegistryClient, repositoryPath } from './registry-client.ts';

export interface Manifests {
  /** By digest if the endpoint's reference has one, else by tag. */
  get: Ask<FetchedManifest>;
  /** By HEAD, or by GET if HEAD is of no use. */
  head: Ask<ManifestHead>;
  /** The same; a cache on the way asks its own registry. */
  revalidate: Ask<ManifestHead>;
}

const usual = { accept: manifestAccept.join(', ') };
const endToEnd = { ...usual, 'cache-control': 'no-cache' };

/** Has its own memory of hosts where HEAD is of no use. */
export function createManifests(deps: {
  client: RegistryClient;
  settings: HostSettings;
  clock: Clock;
}): Manifests {
  const { client, settings, clock } = deps;
  const habits = createHeadHabits(clock);

  const getWith =
    (headers: typeof usual): Ask<FetchedManifest> =>
    async (endpoint, context) => {
      const request = { method: 'GET', path: manifestPath(endpoint), headers } as const;
      const got = await client.request(endpoint, request, context);
      if (got.kind !== 'ok') return got;
      const bytes = await wholeBody(got.value, {
        cap: maxManifestBytes,
        clock,
        timeout: settings.stallTimeout(endpoint.host),
        signal: context.signal,
      });
      if (bytes.kind !== 'ok') return bytes;
      return checkManifest(bytes.value, got.value.headers, endpoint.reference.digest);
    };

  const headOnly =
    (headers: typeof usual): Ask<ManifestHead> =>
    async (endpoint, context) => {
      const request = { method: 'HEAD', path: manifestPath(endpoint), headers } as const;
      const got = await client.request(endpoint, request, context);
      if (got.kind !== 'ok') return got;
      const { headers: answered, body } = got.value;
      dropBody(body, clock);
      const told = parseDigest(single(answered['docker-content-digest']) ?? '');
      const asked = endpoint.reference.digest;
      const digest = told ?? asked;
      if (digest === undefined) return { kind: 'invalid', reason: 'HEAD has no digest' };
      const problem = htmlProblem(answered) ?? digestProblem(told, asked);
      return problem === undefined
        ? { kind: 'ok', value: { digest, fetched: undefined } }
        : { kind: 'invalid', reason: problem };
    };

  const headByGet =
    (headers: typeof usual): Ask<ManifestHead> =>
    async (endpoint, context) => {
      const got = await getWith(headers)(endpoint, context);
      if (got.kind !== 'ok') return got;
      return { kind: 'ok', value: { digest: got.value.digest, fetched: got.value } };
    };

  const headWith =
    (headers: typeof usual): Ask<ManifestHead> =>
    (endpoint, context) =>
      habits.ask(
        endpoint,
        () => headOnly(headers)(endpoint, context),
        () => headByGet(headers)(endpoint, context),
      );

  return { get: getWith(usual), head: headWith(usual), revalidate: headWith(endToEnd) };
}

function manifestPath(endpoint: Endpoint): string {
  const { digest, tag } = endpoint.reference;
  return repositoryPath(endpoint, `manifests/${digest ?? tag ?? 'latest'}`);
}

/** A small body, whole; `invalid` if it is too large or encoded. */
export async function wholeBody(
  response: HttpResponse,
  options: Parameters<typeof readBody>[1],
): Promise<Outcome<Buffer>> {
  const length = contentLength(response.headers);
  const problem =
    encodingProblem(response.headers) ??
    (length !== undefined && length > options.cap ? `body larger than ${options.cap} bytes` : undefined);
  if (problem !== undefined) {
    response.body.cancel();
    return { kind: 'invalid', reason: problem };
  }
  const read = await readBody(response.body, options);
  if (read.ok) return { kind: 'ok', value: read.bytes };
  return { kind: read.kind === 'tooLarge' ? 'invalid' : 'unreachable', reason: read.reason };
}

/**
 * Whether `bytes` are the manifest that was asked for. Content that was asked for by digest is judged by its digest alone: a type
 * that is unknown here (an OCI artifact manifest of 1.1-rc) is passed on as it is.
 */
export function checkManifest(
  bytes: Uint8Array,
  headers: ResponseHeaders,
  asked: Digest | undefined,
): Outcome<FetchedManifest> {
  const type = bareMediaType(single(headers['content-type']) ?? '');
  const told = parseDigest(single(headers['docker-content-digest']) ?? '');
  const html = htmlProblem(headers);
  if (asked !== undefined && !isNamedBy(bytes, asked, hexHash)) {
    return { kind: 'invalid', reason: html ?? `manifest has not the digest ${asked}` };
  }
  const read = readManifest(bytes, type);
  if (asked !== undefined) {
    const manifest = 'problem' in read ? opaque(type, bytes) : read;
    return { kind: 'ok', value: { digest: asked, mediaType: manifest.mediaType, bytes, manifest } };
  }
  if (html !== undefined) return { kind: 'invalid', reason: html };
  const isTold = told !== undefined && isNamedBy(bytes, told, hexHash);
  const isSchema1 = !('problem' in read) && isSchema1Type(read.mediaType);
  if (told !== undefined && !isTold && !isSchema1) {
    return { kind: 'invalid', reason: `manifest has not the digest ${told} that its header tells` };
  }
  const manifest = 'problem' in read ? vendorManifest(type, bytes) : read;
  if (manifest === undefined) {
    return { kind: 'invalid', reason: `manifest ${'problem' in read ? read.problem : ''}` };
  }
  const digest = (isTold ? told : undefined) ?? payloadDigest(bytes, hexHash) ?? sha256(bytes);
  return { kind: 'ok', value: { digest, mediaType: manifest.mediaType, bytes, manifest } };
}

/** A manifest of an unknown type: its fields are not read. */
function opaque(type: string, bytes: Uint8Array): Manifest {
  return { mediaType: servableType(type === '' ? (declaredType(bytes) ?? '') : type), children: [] };
}

/** Content of an unknown type that only a tag names. It must be JSON of a vendor's type: a login page may have any other type. */
function vendorManifest(type: string, bytes: Uint8Array): Manifest | undefined {
  const declared = declaredType(bytes);
  if (declared === undefined || isManifestType(type) || isManifestType(declared)) return undefined;
  const own = [type, declared].find((one) => one.startsWith('application/vnd.'));
  return own === undefined ? undefined : { mediaType: servableType(own), children: [] };
}

/** `mediaType` of a JSON object, empty if it has none; undefined for anything else. */
function declaredType(bytes: Uint8Array): string | undefined {
  const json = parseJson(bytes);
  if (!json.ok || !isJsonObject(json.value)) return undefined;
  const { mediaType } = json.value;
  return typeof mediaType === 'string' ? mediaType.toLowerCase() : '';
}

function sha256(bytes: Uint8Array): Digest {
  return `sha256:${hexHash('sha256', bytes)}` as Digest;
}

/** Continues the sentence "ENDPOINT ...". Digests of different algorithms cannot be compared. */
export function digestProblem(told: Digest | undefined, asked: Digest | undefined): string | undefined {
  if (told === undefined || asked === undefined || told === asked) return undefined;
  return digestAlgorithm(told) === digestAlgorithm(asked)
    ? `answers with ${told} when asked for ${asked}`
    : undefined;
}

/** Login pages and captive portals answer 200, too. */
export function htmlProblem(headers: ResponseHeaders): string | undefined {
  const type = bareMediaType(single(headers['content-type']) ?? '');
  return type === 'text/html' || type === 'application/xhtml+xml' ? 'sent a web page (text/html)' : undefined;
}

/** Encodings that change the bytes (RFC 9110, section 8.4.1). Servers put other words there too: `aws-chunked`, `none`, `UTF-8`. */
const codings: ReadonlySet<string> = new Set([
  'gzip',
  'x-gzip',
  'deflate',
  'compress',
  'x-compress',
  'br',
  'zstd',
]);

/** The digest is that of the bytes without an encoding. */
export function encodingProblem(headers: ResponseHeaders): string | undefined {
  const listed = [headers['content-encoding'] ?? []].flat().join().toLowerCase().split(',');
  const coding = listed.map((one) => one.trim()).find((one) => codings.has(one));
  return coding === undefined ? undefined : `sent the body encoded (${coding}), though asked not to`;
}

/** Bytes; undefined without a usable header. */
export function contentLength(headers: ResponseHeaders): number | undefined {
  const text = single(headers['content-length']);
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  const length = Number(text);
  return Number.isSafeInteger(length) ? length : undefined;
}
