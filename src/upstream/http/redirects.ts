/**
 * Where a redirect may lead. The Location is resolved first, then judged: its scheme may not be worse, its address not nearer to us
 * than the registry's own. The registry's credentials stay with the registry's own host.
 */
import { type AddressKind, literalKind } from '../../lib/address-kind.ts';
import { areSameSite } from '../auth/same-site.ts';
import { type AddressScope, isWithinScope, scopeFrom, tooNearReason } from './addresses.ts';

/** As many as Go's clients follow. */
export const maxRedirects = 10;

export interface RedirectContext {
  readonly from: URL;
  /** The registry that was asked first. */
  readonly origin: URL;
  readonly insecure: boolean;
  readonly originKind: AddressKind | undefined;
  /** Whether the configuration names a host. */
  isNamed(host: string): boolean;
}

export type RedirectJudgement =
  | { readonly ok: true; readonly url: URL; readonly sameHost: boolean; readonly addressScope: AddressScope }
  | { readonly ok: false; readonly reason: string };

/** Statuses with a Location to follow (RFC 9110, section 15.4). */
export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/** The URL that a header of an answer from `from` names; undefined if it names none. */
export function headerUrl(text: string | undefined, from: URL): URL | undefined {
  if (text === undefined || text === '') return undefined;
  // Node reads each byte of a header as one character; some servers write UTF-8 there.
  const ascii = text.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
  return URL.parse(ascii, from.href) ?? undefined;
}

/** `location`: as it stands in the header. */
export function judgeRedirect(location: string | undefined, context: RedirectContext): RedirectJudgement {
  const url = headerUrl(location, context.from);
  if (!url) return refused('redirects without a usable Location');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    return refused(`redirects to a ${url.protocol} URL`);
  }
  if (url.username !== '' || url.password !== '') return refused('redirects to a URL with credentials in it');
  if (context.from.protocol === 'https:' && url.protocol === 'http:' && !context.insecure) {
    return refused(`redirects from HTTPS to plain HTTP (${url.host})`);
  }
  url.hash = '';
  const sameHost = url.host === context.origin.host && url.protocol === context.origin.protocol;
  if (sameHost || context.isNamed(url.host)) return { ok: true, url, sameHost, addressScope: 'any' };

  const addressScope = scopeFrom(context.originKind, areSameSite(context.origin.hostname, url.hostname));
  const kind = literalKind(url.hostname);
  if (kind !== undefined && !isWithinScope(kind, addressScope)) {
    return refused(tooNearReason(url.hostname, kind));
  }
  return { ok: true, url, sameHost, addressScope };
}

function refused(reason: string): RedirectJudgement {
  return { ok: false, reason };
}
