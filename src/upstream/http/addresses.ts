/**
 * How far an address reaches. What a registry sends us to (a redirect, a token realm) may not lie nearer to us than the
 * registry itself does: a registry on the internet has no business with our loopback, our network or a cloud's
 * metadata service.
 *
 *   public  <  private  <  loopback          (nearer to us to the right)
 *   linkLocal: metadata services live there; only a host that the configuration itself names is asked there
 */
import { BlockList, isIP } from 'node:net';

export type AddressKind = 'public' | 'private' | 'loopback' | 'linkLocal';

/** The nearest kind of address that may be connected to; `any` for hosts that the configuration names. */
export type AddressScope = 'public' | 'private' | 'loopback' | 'any';

const linkLocal = blockList(
  // With those of Alibaba, Azure and Oracle, which have an address like any other.
  ['169.254.0.0/16', '100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32', '0.0.0.0/8'],
  ['fe80::/10', 'fd00:ec2::/32', '::/128'],
);
const loopback = blockList(['127.0.0.0/8'], ['::1/128']);
const privateUse = blockList(
  ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'],
  ['fc00::/7'],
);

export function addressKind(address: string): AddressKind {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  if (linkLocal.check(address, family)) return 'linkLocal';
  if (loopback.check(address, family)) return 'loopback';
  return privateUse.check(address, family) ? 'private' : 'public';
}

/** The kind of a URL's host name where it is an address or `localhost`; undefined for a name that DNS must tell. */
export function literalKind(hostname: string): AddressKind | undefined {
  const address = hostname.replace(/^\[|[\].]$/g, '');
  if (isIP(address) !== 0) return addressKind(address);
  return address === 'localhost' || address.endsWith('.localhost') ? 'loopback' : undefined;
}

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

/** Each IPv4 network counts as well behind NAT64 (RFC 6052); BlockList itself sees to those written as `::ffff:`. */
function blockList(ipv4: readonly string[], ipv6: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of ipv4) {
    const [network = '', bits = ''] = subnet.split('/');
    list.addSubnet(network, Number(bits), 'ipv4');
    list.addSubnet(`64:ff9b::${network}`, 96 + Number(bits), 'ipv6');
  }
  for (const subnet of ipv6) {
    const [network = '', bits = ''] = subnet.split('/');
    list.addSubnet(network, Number(bits), 'ipv6');
  }
  return list;
}
