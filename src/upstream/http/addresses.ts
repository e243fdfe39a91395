/**
 * How far an address reaches. What a registry sends us to (a redirect, a token realm) may not lie nearer to us than the
 * registry itself does: a registry on the internet has no business with our loopback, our network or a cloud's
 * metadata service.
 *
 *   public  <  private  <  loopback          (nearer to us to the right)
 *   linkLocal: metadata services live there; only a host that the configuration itself names is asked there
 */
import type { AddressKind } from '../../lib/address-kind.ts';

/** The nearest kind of address that may be connected to; `any` for hosts that the configuration names. */
export type AddressScope = 'public' | 'private' | 'loopback' | 'any';

export function isWithinScope(kind: AddressKind, addressScope: AddressScope): boolean {
  switch (addressScope) {
    case 'any':
      return true;
    case 'loopback':
      return kind !== 'linkLocal';
    case 'private':
      return kind === 'public' || kind === 'private';
    case 'public':
      return kind === 'public';
  }
}

/**
 * How near a host may send us. `related`: to a host of the same owner, whose names may lead into a private network where the
 * registry's own does not (split DNS, a registry behind a proxy).
 */
export function scopeFrom(kind: AddressKind | undefined, related: boolean): Exclude<AddressScope, 'any'> {
  if (kind === 'loopback' || kind === 'private') return kind;
  return related ? 'private' : 'public';
}

/** Continues the sentence "HOST ...". */
export function tooNearReason(hostname: string, kind: AddressKind): string {
  const what = kind === 'linkLocal' ? 'link-local' : kind;
  return `sends us to ${hostname}, a ${what} address, which it may not: list the host under [[upstream.host]] if that is meant`;
}
