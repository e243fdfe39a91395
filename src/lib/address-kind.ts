/**
 * What kind of place an IP address leads to. It is the only list of special networks in the program: routing refuses them to
 * clients, upstream refuses them to registries that send it on.
 *
 *   linkLocal   link-local networks, and the metadata services of clouds: they hand out secrets to every caller
 *   loopback    this machine
 *   private     networks of an organisation (RFC 1918, RFC 6598, RFC 4193)
 *   public      every other address
 */
import { BlockList, isIP, SocketAddress } from 'node:net';

export type AddressKind = 'public' | 'private' | 'loopback' | 'linkLocal';

/** RFC 3927, RFC 4291; the metadata services of Alibaba, Azure, Oracle and AWS, some of which have an address like any other. */
export const linkLocalNetworks = {
  ipv4: ['169.254.0.0/16', '100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32', '0.0.0.0/8'],
  ipv6: ['fe80::/10', 'fd00:ec2::/32', '::/128'],
} as const;

const linkLocal = blockList(linkLocalNetworks.ipv4, linkLocalNetworks.ipv6);
const loopback = blockList(['127.0.0.0/8'], ['::1/128']);
const privateUse = blockList(
  ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'],
  ['fc00::/7'],
);

/** `address` is an IPv4 or IPv6 address without brackets. */
export function addressKind(address: string): AddressKind {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  if (linkLocal.check(address, family)) return 'linkLocal';
  if (loopback.check(address, family)) return 'loopback';
  return privateUse.check(address, family) ? 'private' : 'public';
}

/** The kind of a URL's host name if it is an address or `localhost`; undefined for a name that DNS must resolve. */
export function literalKind(hostname: string): AddressKind | undefined {
  const address = hostname.replace(/^\[|[\].]$/g, '');
  if (isIP(address) !== 0) return addressKind(address);
  return address === 'localhost' || address.endsWith('.localhost') ? 'loopback' : undefined;
}

/** Each IPv4 network counts behind NAT64 too (RFC 6052). BlockList itself matches addresses written as `::ffff:`. */
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

/** One text for each address: IPv6 in its short form without a zone, IPv4 not as IPv6. Any other text is given as it is. */
export function plainAddress(address: string): string {
  const [bare = ''] = address.split('%');
  if (isIP(bare) !== 6) return bare;
  return new SocketAddress({ address: bare, family: 'ipv6' }).address.replace(/^::ffff:(?=\d+\.)/, '');
}
