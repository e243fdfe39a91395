/**
 * The tag list of one endpoint: all pages, or an error. A list that is cut short is never given as the whole.
 *
 *   the page links to a next one ........... path and query of the link, at the registry's own host
 *   that fails, or leads to nothing new .... `?last=LAST_TAG` (distribution-spec, "Listing Tags")
 *   no link, and the page is full .......... `?last=LAST_TAG`, too: some registries send no link
 *   that leads to nothing new either ....... an error if a link has announced more
 */
import type { Clock } from '../../lib/clock.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import { parseTag } from '../../oci/reference.ts';
import type { Ask, AttemptContext } from '../attempt.ts';
import type { Endpoint } from '../endpoint.ts';
import type { HostSettings } from '../host-settings.ts';
import type { HttpResponse } from '../http/exchange.ts';
import { errorWords } from '../http/status.ts';
import type { Outcome } from '../outcome.ts';
import type { RegistryRequest } from './call.ts';
import { type ListPage, maxListBytes, maxPages, type NextPage, readPage } from './list-page.ts';
import { htmlProblem } from './manifests.ts';
import { type RegistryClient, repositoryPath } from './registry-client.ts';

interface TagPage {
  readonly tags: readonly string[];
  /** Entries, including those that are not valid tags. */
  readonly length: number;
  readonly next: NextPage;
}

/** Amazon ECR refuses more. Quay gives 100 at most, whatever is asked. */
const pageSize = 1000;
const headers = { accept: 'application/json' };
/** How a registry may refuse `n`. */
const sizeRefused = [400, 405, 406, 414, 416, 422, 501];

/** Resolves with the tags in the order of the registry, each once. */
export function createTagList(deps: {
  client: RegistryClient;
  settings: HostSettings;
  clock: Clock;
}): Ask<readonly string[]> {
  const { client, settings, clock } = deps;

  /** Asks for pages of one list, under the caps for all of them. */
  function pagesOf(endpoint: Endpoint, context: AttemptContext) {
    let bytesLeft = maxListBytes;
    let pagesLeft = maxPages;
    return {
      request(path: string, pass: RegistryRequest['pass'] = []): Promise<Outcome<HttpResponse>> {
        return client.request(endpoint, { method: 'GET', path, headers, pass }, context);
      },
      async read(got: Outcome<HttpResponse>): Promise<Outcome<TagPage>> {
        if (got.kind !== 'ok') return got;
        // Another Entrepot gives what it has while its own endpoints say nothing.
        if (got.value.headers['x-entrepot-cache'] === 'stale') context.aged?.(Number.POSITIVE_INFINITY);
        const timeout = settings.stallTimeout(endpoint.host);
        const page = await readPage(got.value, { cap: bytesLeft, clock, timeout, signal: context.signal });
        if (page.kind !== 'ok') return page;
        context.progressed();
        bytesLeft -= page.value.bytes.length;
        pagesLeft -= 1;
        if (pagesLeft < 0) return { kind: 'invalid', reason: `sent more than ${maxPages} pages of tags` };
        return readTags(page.value);
      },
    };
  }

  return async (endpoint, context) => {
    const { request, read } = pagesOf(endpoint, context);
    const list = repositoryPath(endpoint, 'tags/list');
    const sized = await request(`${list}?n=${pageSize}`, sizeRefused);
    const isRefused = sized.kind === 'ok' && sizeRefused.includes(sized.value.status);
    const after = (tag: string) =>
      `${list}?${isRefused ? '' : `n=${pageSize}&`}last=${encodeURIComponent(tag)}`;

    const found = new Set<string>();
    const followed = new Set<string>();
    let last: string | undefined;
    const addsTo = ({ tags }: TagPage): boolean => {
      const before = found.size;
      for (const tag of tags) found.add(tag);
      const isNew = found.size > before;
      if (isNew) last = tags.at(-1);
      return isNew;
    };

    const first = await read(isRefused ? await request(list) : sized);
    if (first.kind !== 'ok') return first;
    addsTo(first.value);
    let linksLead = true;
    let lastLeads = false;
    for (let page = first.value; ; ) {
      const { next, length } = page;
      const isAnnounced = next.kind !== 'none';
      if (!isAnnounced && length !== pageSize) break;
      let got: Outcome<TagPage> = leadsNowhere;
      if (next.kind === 'page' && linksLead && !followed.has(next.path)) {
        followed.add(next.path);
        got = await read(await request(next.path));
        if (got.kind === 'rateLimited') return got;
        if (got.kind === 'ok' && (addsTo(got.value) || got.value.length === 0)) {
          page = got.value;
          continue;
        }
      }
      linksLead &&= !isAnnounced;
      if (last !== undefined) got = await read(await request(after(last)));
      if (got.kind !== 'ok') {
        // A full page without a link may well be the last one, for a registry that does not know `last`.
        if (!isAnnounced && (got.kind === 'denied' || got.kind === 'notFound')) break;
        return got.kind === 'notFound'
          ? { kind: 'invalid', reason: `next page of tags: ${got.reason}` }
          : got;
      }
      if (addsTo(got.value)) {
        lastLeads = true;
        page = got.value;
        continue;
      }
      // Some registries send a link with every page, the last one too.
      const isEnd = got.value.length === 0 && (lastLeads || length === 0);
      if (isAnnounced && !isEnd) return leadsNowhere;
      break;
    }
    return { kind: 'ok', value: [...found] };
  };
}

const leadsNowhere: Outcome<never> = {
  kind: 'invalid',
  reason: 'announces more tags, but neither its link nor "last" leads to them',
};

function readTags({ bytes, headers, next }: ListPage): Outcome<TagPage> {
  const parsed = parseJson(bytes);
  if (!parsed.ok) {
    return { kind: 'invalid', reason: htmlProblem(headers) ?? `sent a tag list that ${parsed.problem}` };
  }
  const json = parsed.value;
  if (!isJsonObject(json)) return { kind: 'invalid', reason: 'sent a tag list that is no JSON object' };
  const listed = json.tags ?? (isEmptyList(json) ? [] : undefined);
  if (listed === undefined)
    return { kind: 'invalid', reason: `sent no tag list, but ${describe(json, bytes)}` };
  if (!Array.isArray(listed)) return { kind: 'invalid', reason: 'sent a tag list whose "tags" are no array' };
  const entries = listed as readonly unknown[];
  const tags = entries.filter((tag) => typeof tag === 'string');
  if (tags.length === 0 && entries.length > 0) {
    return { kind: 'invalid', reason: 'sent a tag list whose entries are no text' };
  }
  const value = { tags: tags.filter((tag) => parseTag(tag)), length: entries.length, next };
  return { kind: 'ok', value };
}

/** Programs in Go leave an empty list out, or write it as null. */
function isEmptyList(json: Record<string, unknown>): boolean {
  return !('errors' in json) && (typeof json.name === 'string' || Object.keys(json).length === 0);
}

function describe(json: Record<string, unknown>, bytes: Buffer): string {
  const words = errorWords(bytes);
  if (words !== undefined) return `an error (${words})`;
  const fields = Object.keys(json).slice(0, 3);
  return `JSON with ${fields.map((field) => `"${field.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 40)}"`).join(', ')}`;
}
