/**
 * Referrers of a manifest from one endpoint: the referrers API, or, for registries without it, the index under a tag that is made
 * of the digest (distribution-spec, "Referrers Tag Schema").
 */
import { hexHash } from '../../lib/bytes/hex-hash.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Digest, digestAlgorithm, digestHex } from '../../oci/digest.ts';
import { readManifest } from '../../oci/manifest.ts';
import { isIndexType, mediaTypes } from '../../oci/media-types.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import type { Ask, AttemptContext } from '../attempt.ts';
import type { Endpoint } from '../endpoint.ts';
import type { HostSettings } from '../host-settings.ts';
import type { HttpResponse } from '../http/exchange.ts';
import type { Outcome } from '../outcome.ts';
import { type ListPage, maxListBytes, maxPages, readPage } from './list-page.ts';
import { checkManifest, wholeBody } from './manifests.ts';
import { type RegistryClient, repositoryPath } from './registry-client.ts';

export type Referrers = (subject: Digest) => Ask<Uint8Array>;

/** How registries without the referrers API refuse it. */
const unsupported = [400, 404, 405, 406, 501];
const accept = mediaTypes.ociIndex;

/** One question for each subject. */
export function createReferrers(deps: {
  client: RegistryClient;
  settings: HostSettings;
  clock: Clock;
}): Referrers {
  const { client, settings, clock } = deps;

  function readOptions(endpoint: Endpoint, context: AttemptContext, cap: number) {
    return { cap, clock, timeout: settings.stallTimeout(endpoint.host), signal: context.signal };
  }

  async function byTag(
    endpoint: Endpoint,
    subject: Digest,
    context: AttemptContext,
  ): Promise<Outcome<Uint8Array>> {
    const tag = `${digestAlgorithm(subject)}-${digestHex(subject).slice(0, 64)}`;
    const path = repositoryPath(endpoint, `manifests/${tag}`);
    const got = await client.request(endpoint, { method: 'GET', path, headers: { accept } }, context);
    if (got.kind !== 'ok') return got;
    const body = await wholeBody(got.value, readOptions(endpoint, context, maxListBytes));
    if (body.kind !== 'ok') return body;
    // GitLab's registry takes the tag for the digest (oras-project/oras-go#1396).
    const digest = hexHash(digestAlgorithm(subject), body.value);
    if (digest === digestHex(subject)) return noReferrers(`has the manifest itself under the tag ${tag}`);
    const checked = checkManifest(body.value, got.value.headers, undefined);
    if (checked.kind !== 'ok') return checked;
    if (!isIndexType(checked.value.mediaType)) return noReferrers(`has no index under the tag ${tag}`);
    const { children } = checked.value.manifest;
    if (children.every(({ platform }) => platform === undefined)) return { kind: 'ok', value: body.value };
    const attached = listedIn(body.value).filter((one) => !isJsonObject(one) || !isJsonObject(one.platform));
    return attached.length === 0
      ? noReferrers(`has an image's index under the tag ${tag}`)
      : { kind: 'ok', value: indexOf(attached) };
  }

  async function readRest(
    endpoint: Endpoint,
    first: ListPage,
    context: AttemptContext,
  ): Promise<Outcome<Uint8Array>> {
    const pages: ListPage[] = [];
    const followed = new Set<string>();
    let left = maxListBytes;
    for (let page = first; ; ) {
      const problem = indexProblem(page);
      if (problem !== undefined) return { kind: 'invalid', reason: `the answer to referrers ${problem}` };
      pages.push(page);
      left -= page.bytes.length;
      const { next } = page;
      if (next.kind === 'none') return { kind: 'ok', value: join(pages) };
      if (next.kind === 'unreadable') {
        return { kind: 'invalid', reason: 'announces more referrers by a link that cannot be read' };
      }
      if (followed.has(next.path))
        return { kind: 'invalid', reason: 'sent referrers whose pages lead in a circle' };
      if (pages.length === maxPages) return { kind: 'invalid', reason: `sent more than ${maxPages} pages` };
      followed.add(next.path);
      const got = await client.request(
        endpoint,
        { method: 'GET', path: next.path, headers: { accept } },
        context,
      );
      const read = got.kind === 'ok' ? await readPage(got.value, readOptions(endpoint, context, left)) : got;
      // The first page has shown that there are referrers.
      if (read.kind === 'notFound') return { ...read, kind: 'invalid', reason: `next page: ${read.reason}` };
      if (read.kind !== 'ok') return read;
      context.progressed();
      page = read.value;
    }
  }

  return (subject) => async (endpoint, context) => {
    const path = repositoryPath(endpoint, `referrers/${subject}`);
    const request = { method: 'GET', path, headers: { accept }, pass: unsupported } as const;
    const got = await client.request(endpoint, request, context);
    if (got.kind !== 'ok') return got;
    const response: HttpResponse = got.value;
    if (unsupported.includes(response.status)) return byTag(endpoint, subject, context);
    const first = await readPage(response, readOptions(endpoint, context, maxListBytes));
    if (first.kind !== 'ok') return first;
    context.progressed();
    // A page for an unknown path, with status 200: such a registry has no referrers API.
    const isOther = !isIndexType(first.value.mediaType) && indexProblem(first.value) !== undefined;
    return isOther ? byTag(endpoint, subject, context) : readRest(endpoint, first.value, context);
  };
}

/** `notFound`: the next endpoint may have some. */
function noReferrers(reason: string): Outcome<never> {
  return { kind: 'notFound', reason };
}

function indexProblem({ bytes, mediaType }: ListPage): string | undefined {
  const index = readManifest(bytes, mediaType);
  if ('problem' in index) return index.problem;
  return isIndexType(index.mediaType) ? undefined : `is a "${index.mediaType}"`;
}

function join(pages: readonly ListPage[]): Uint8Array {
  const manifests = pages.flatMap(({ bytes }) => listedIn(bytes));
  const [only, ...more] = pages;
  return only && more.length === 0 && manifests.length > 0 ? only.bytes : indexOf(manifests);
}

function listedIn(bytes: Uint8Array): readonly unknown[] {
  const parsed = parseJson(bytes);
  const listed = parsed.ok && isJsonObject(parsed.value) ? parsed.value.manifests : undefined;
  return Array.isArray(listed) ? listed : [];
}

function indexOf(manifests: readonly unknown[]): Uint8Array {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }));
}
