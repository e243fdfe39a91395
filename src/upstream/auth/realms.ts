/**
 * Decides which token server may be given a registry's credentials. A registry names its token server in a header, so a hostile or
 * broken mirror could name any host and be handed the password (CVE-2026-33540, CVE-2020-15157). Credentials go to
 *
 *   - the registry's own host name,
 *   - a host of the same site (`same-site.ts`),
 *   - a host in `upstream.token_realms` (`host`, `host:port` or `*.domain`).
 *
 * Any other realm is asked without credentials. A realm with an address nearer to us than the registry's (loopback, private,
 * metadata) is not asked at all.
 */
import { type AddressKind, literalKind } from '../../lib/address-kind.ts';
import { type AddressScope, isWithinScope, scopeFrom, tooNearReason } from '../http/addresses.ts';
import { areSameSite } from './same-site.ts';

export interface RealmContext {
  /** As asked: the API host and its scheme. */
  readonly registry: URL;
  /** As the configuration calls the registry. */
  readonly host: string;
  readonly insecure: boolean;
  /** Which addresses the registry's own host may have. */
  readonly ownAddressScope: AddressScope;
  readonly registryKind: AddressKind | undefined;
  readonly tokenRealms: readonly string[];
}

export type RealmJudgement =
  | { readonly kind: 'trusted'; readonly url: URL; readonly addressScope: AddressScope }
  /** May be asked for an anonymous token only; `reason` says why and what to do. */
  | {
      readonly kind: 'anonymous';
      readonly url: URL;
      readonly addressScope: AddressScope;
      readonly reason: string;
    }
  | { readonly kind: 'refused'; readonly reason: string };

/** `realm`: the URL as it stands in the challenge. */
export function judgeRealm(realm: string, context: RealmContext): RealmJudgement {
  const url = URL.parse(realm);
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    return { kind: 'refused', reason: 'names a token server that is no URL' };
  }
  if (url.username !== '' || url.password !== '') {
    return { kind: 'refused', reason: 'names a token server with credentials in its URL' };
  }
  if (url.protocol === 'http:' && !context.insecure) {
    return { kind: 'refused', reason: `names a token server without HTTPS (${url.host})` };
  }
  url.hash = '';
  const isListed = context.tokenRealms.some((entry) => matches(entry, url));
  const isOwn = url.hostname === context.registry.hostname || url.hostname === hostnameOf(context.host);
  if (isListed) return { kind: 'trusted', url, addressScope: 'any' };
  if (isOwn) return { kind: 'trusted', url, addressScope: context.ownAddressScope };

  const related = [context.registry.hostname, hostnameOf(context.host)].some((name) =>
    areSameSite(name, url.hostname),
  );
  const addressScope = scopeFrom(context.registryKind, related);
  const kind = literalKind(url.hostname);
  if (kind !== undefined && !isWithinScope(kind, addressScope)) {
    return { kind: 'refused', reason: tooNearReason(url.hostname, kind) };
  }
  if (related) return { kind: 'trusted', url, addressScope };
  return {
    kind: 'anonymous',
    url,
    addressScope,
    reason: `credentials are not given to ${url.host}: list it in upstream.token_realms if it may have them`,
  };
}

function matches(entry: string, url: URL): boolean {
  const text = entry.toLowerCase();
  if (text.startsWith('*.')) return url.hostname.endsWith(text.slice(1));
  return text === url.host || text === url.hostname;
}

function hostnameOf(host: string): string {
  return host.replace(/:\d+$/, '').toLowerCase();
}
