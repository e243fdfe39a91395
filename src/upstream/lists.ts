/** Tag lists and referrers: JSON in pages, joined, under a cap for all of them together. */
import type { Clock } from '../lib/clock.ts';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';
import { readManifest } from '../oci/manifest.ts';
import { bareMediaType, isIndexType, mediaTypes } from '../oci/media-types.ts';
import { isJsonObject, parseJson } from '../oci/parse-json.ts';
import { parseTag } from '../oci/reference.ts';
import type { Ask, AttemptContext } from './ask-in-order.ts';
import type { Endpoint } from './endpoint.ts';
import type { HttpResponse } from './exchange.ts';
import type { HostSettings } from './host-settings.ts';
import { checkManifest, wholeBody } from './manifests.ts';
import type { Outcome } from './outcome.ts';
import { single } from './rate-limits.ts';
import { type RegistryClient, repositoryPath } from './registry-client.ts';

export interface Lists {
  tags: Ask<readonly string[]>;
  referrers(subject: Digest): Ask<Uint8Array>;
}

const maxListBytes = 32 * 1024 * 1024;
const maxPages = 1000;
/** How registries without the referrers API refuse it. */
const referrersUnsupported = [400, 404, 405, 406, 501];

interface Page {
  readonly json: Record<string, unknown>;
  readonly bytes: Buffer;
  readonly mediaType: string;
}

export function createLists(deps: { client: RegistryClient; settings: HostSettings; clock: Clock }): Lists {
  const { client, settings, clock } = deps;

  async function readPages(
    endpoint: Endpoint,
    first: HttpResponse,
    accept: string,
    context: AttemptContext,
  ): Promise<Outcome<readonly Page[]>> {
    const pages: Page[] = [];
    const seen = new Set<string>();
    let left = maxListBytes;
    for (let response = first; ; ) {
      const timeout = settings.stallTimeout(endpoint.host);
      const body = await wholeBody(response, { cap: left, clock, timeout, signal: context.signal });
      if (body.kind !== 'ok') return body;
      left -= body.value.length;
      const parsed = parseJson(body.value);
      if (!parsed.ok) return { kind: 'invalid', reason: `sent a list that ${parsed.problem}` };
      const json = parsed.value;
      if (!isJsonObject(json)) return { kind: 'invalid', reason: 'sent a list that is no JSON object' };
      const mediaType = bareMediaType(single(response.headers['content-type']) ?? '');
      pages.push({ json, bytes: body.value, mediaType });

      const path = nextPage(response);
      if (path === undefined) return { kind: 'ok', value: pages };
      if (seen.has(path)) return { kind: 'invalid', reason: 'sent a list whose pages lead in a circle' };
      if (pages.length === maxPages) return { kind: 'invalid', reason: `sent more than ${maxPages} pages` };
      seen.add(path);
      const got = await client.request(endpoint, { method: 'GET', path, headers: { accept } }, context);
      if (got.kind !== 'ok') return got;
      response = got.value;
    }
  }

  const tags: Ask<readonly string[]> = async (endpoint, context) => {
    const accept = 'application/json';
    const path = repositoryPath(endpoint, 'tags/list');
    const first = await client.request(endpoint, { method: 'GET', path, headers: { accept } }, context);
    if (first.kind !== 'ok') return first;
    const pages = await readPages(endpoint, first.value, accept, context);
    if (pages.kind !== 'ok') return pages;
    const found = new Set<string>();
    for (const { json } of pages.value) {
      const { tags: listed } = json;
      if (listed !== null && !Array.isArray(listed)) {
        return { kind: 'invalid', reason: 'sent a tag list without tags' };
      }
      for (const tag of listed ?? []) if (typeof tag === 'string' && parseTag(tag)) found.add(tag);
    }
    return { kind: 'ok', value: [...found] };
  };

  /** The specification's way for registries that have no referrers API: an index under a tag made of the digest. */
  async function byTagSchema(
    endpoint: Endpoint,
    subject: Digest,
    context: AttemptContext,
  ): Promise<Outcome<Uint8Array>> {
    const tag = `${digestAlgorithm(subject)}-${digestHex(subject).slice(0, 64)}`;
    const request = {
      method: 'GET',
      path: repositoryPath(endpoint, `manifests/${tag}`),
      headers: { accept: mediaTypes.ociIndex },
    } as const;
    const got = await client.request(endpoint, request, context);
    if (got.kind !== 'ok') return got;
    const timeout = settings.stallTimeout(endpoint.host);
    const body = await wholeBody(got.value, { cap: maxListBytes, clock, timeout, signal: context.signal });
    if (body.kind !== 'ok') return body;
    const checked = checkManifest(body.value, got.value.headers, undefined);
    if (checked.kind !== 'ok') return checked;
    return isIndexType(checked.value.mediaType)
      ? { kind: 'ok', value: body.value }
      : { kind: 'invalid', reason: `sent no index under the referrers tag ${tag}` };
  }

  return {
    tags,
    referrers: (subject) => async (endpoint, context) => {
      const accept = mediaTypes.ociIndex;
      const path = repositoryPath(endpoint, `referrers/${subject}`);
      const request = { method: 'GET', path, headers: { accept }, pass: referrersUnsupported } as const;
      const first = await client.request(endpoint, request, context);
      if (first.kind !== 'ok') return first;
      if (referrersUnsupported.includes(first.value.status)) {
        return byTagSchema(endpoint, subject, context);
      }
      const pages = await readPages(endpoint, first.value, accept, context);
      return pages.kind === 'ok' ? joinIndexes(pages.value) : pages;
    },
  };
}

function joinIndexes(pages: readonly Page[]): Outcome<Uint8Array> {
  const manifests: unknown[] = [];
  for (const { json, bytes, mediaType } of pages) {
    const index = isIndexType(mediaType)
      ? readManifest(bytes, mediaType)
      : { problem: `is a "${mediaType}"` };
    if ('problem' in index) return { kind: 'invalid', reason: `the answer to referrers ${index.problem}` };
    for (const manifest of (json.manifests ?? []) as unknown[]) manifests.push(manifest);
  }
  const [only, ...more] = pages;
  if (only?.json.manifests && more.length === 0) return { kind: 'ok', value: only.bytes };
  const joined = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
  return { kind: 'ok', value: Buffer.from(JSON.stringify(joined)) };
}

/** The path of `Link: </v2/...?n=..&last=..>; rel="next"` (RFC 8288), where it stays on the same host. */
export function nextPage(response: {
  readonly headers: HttpResponse['headers'];
  readonly url: URL;
}): string | undefined {
  const links = [response.headers.link ?? ''].flat().join(', ');
  const target = /<([^<>]+)>\s*;[^,<]*\brel="?next"?/i.exec(links)?.[1];
  const url = target === undefined ? undefined : URL.parse(target, response.url.href);
  if (url?.host !== response.url.host) return undefined;
  return `${url.pathname}${url.search}`;
}
