/**
 * Which kinds of address a registry may send us to. A redirect or a token realm may not lead to an address that is nearer to us than
 * the registry's own: a registry on the internet has no business with our loopback, our network or a cloud's metadata service.
 *
 *   public  <  private  <  loopback          (nearer to us to the right)
 *   linkLocal: metadata services have such addresses; only a host that the configuration itself names is asked there
 */
import type { AddressKind } from '../../lib/address-kind.ts';

/** The nearest kind of address that may be connected to; `any` is for hosts that the configuration names. */
export type AddressScope = 'public' | 'private' | 'loopback' | 'any';

/** Whether an address of this kind may be connected to. */
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
 * The scope for a host that a registry sends us to. `kind`: the registry's own kind of address. `related`: the host is of the same
 * site, so it may have a private address though the registry has a public one (split DNS, a registry behind a proxy).
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
