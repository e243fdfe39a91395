/** One page of a list (tags, referrers, the catalogue), and where the next one is. */
import { bareMediaType } from '../../oci/media-types.ts';
import { single } from '../health/rate-limits.ts';
import type { HttpResponse } from '../http/exchange.ts';
import { headerUrl } from '../http/redirects.ts';
import type { Outcome } from '../outcome.ts';
import { wholeBody } from './manifests.ts';

/** Bytes of all pages of one list. */
export const maxListBytes = 32 * 1024 * 1024;
export const maxPages = 1000;

export interface ListPage {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly headers: HttpResponse['headers'];
  readonly next: NextPage;
}

export type NextPage =
  | { readonly kind: 'none' }
  /** Path and query, for the registry's own host. */
  | { readonly kind: 'page'; readonly path: string }
  /** There is one, but the link to it makes no sense. */
  | { readonly kind: 'unreadable' };

/** Reads one page whole, under the caps of `options`. */
export async function readPage(
  response: HttpResponse,
  options: Parameters<typeof wholeBody>[1],
): Promise<Outcome<ListPage>> {
  const body = await wholeBody(response, options);
  if (body.kind !== 'ok') return body;
  const { headers } = response;
  const mediaType = bareMediaType(single(headers['content-type']) ?? '');
  return { kind: 'ok', value: { bytes: body.value, mediaType, headers, next: nextPage(response) } };
}

/**
 * `Link: </v2/...?n=..&last=..>; rel="next"` (RFC 8288). A registry behind a reverse proxy often names its inner host, or its
 * own without the port (sonatype/nexus-public#1011). Only path and query are used: no other host is ever asked.
 */
export function nextPage(response: Pick<HttpResponse, 'headers' | 'url'>): NextPage {
  const links = [response.headers.link ?? ''].flat().join(', ');
  const target = /<([^<>]+)>\s*;[^,<]*\brel\s{0,4}=\s{0,4}"?(?:[^",;<]{0,100}\s)?next\b/i.exec(links)?.[1];
  const url = headerUrl(target, response.url);
  if (url && /^https?:$/.test(url.protocol)) return { kind: 'page', path: `${url.pathname}${url.search}` };
  const isAnnounced =
    target !== undefined || /\brel\s{0,4}=\s{0,4}["']?(?:[^"',;<]{0,100}\s)?next\b/i.test(links);
  return { kind: isAnnounced ? 'unreadable' : 'none' };
}
