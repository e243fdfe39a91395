/**
 * The IP address of the client of a request: for failed logins, events and the log. It is the peer of the connection, unless that is a
 * proxy of `trusted_proxies`. Each proxy appends the address that it was asked from, so the list is read from its right end:
 *
 *   X-Forwarded-For: 198.51.100.9, 203.0.113.7, 10.0.0.3     peer 10.0.0.2, trusted: 10.0.0.0/8
 *                    (the client    the client  trusted
 *                    may have       <--
 *                    written this)
 *
 * What is left of the first address that is not trusted may come from the client and counts for nothing. An entry that is no address
 * ends the list: the client is then the proxy that wrote it. A proxy sets one of the two headers and passes the other one on as the
 * client sent it. So if both are there and differ, neither counts, and the client is the peer.
 *
 * Formats: `Forwarded` as in RFC 7239, section 4; `X-Forwarded-For` as proxies write it, with or without a port.
 *
 * The same proxies alone may say that the client speaks TLS to them (`X-Forwarded-Proto: https`).
 */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { TLSSocket } from 'node:tls';
import { plainAddress } from '../lib/address-kind.ts';
import { networkMatcher } from '../lib/networks.ts';

/** Undefined entries are no addresses. The nearest proxy's entry comes first. */
type Hops = readonly (string | undefined)[];

export interface ClientAddress {
  readonly addressOf: AddressOf;
  readonly isSecure: IsSecure;
  /** The peer of the connection is a proxy of `trusted_proxies`. */
  isProxy(incoming: Pick<IncomingMessage, 'socket'>): boolean;
  /** Holds for requests that begin from now on. */
  trust(proxies: readonly string[]): void;
}

/** An empty text for a connection that is closed already. */
export type AddressOf = (incoming: Connected) => string;
/** The client speaks TLS: to this server, or to a trusted proxy in front of it. */
export type IsSecure = (incoming: Connected) => boolean;

type Connected = Pick<IncomingMessage, 'headers' | 'socket'>;

/** Entries that are read. No chain of proxies is as long. */
const maxHops = 32;

/** The arguments are networks, as in `trusted_proxies`. */
export function createClientAddress(proxies: readonly string[]): ClientAddress {
  let current = behind(proxies);
  const isProxy: ClientAddress['isProxy'] = ({ socket }) =>
    current.isTrusted(plainAddress(socket.remoteAddress ?? ''));
  return {
    addressOf: (incoming) => current.addressOf(incoming),
    isProxy,
    isSecure: ({ headers, socket }) =>
      socket instanceof TLSSocket || (headers['x-forwarded-proto'] === 'https' && isProxy({ socket })),
    trust(next) {
      current = behind(next);
    },
  };
}

function behind(trustedProxies: readonly string[]) {
  if (trustedProxies.length === 0) {
    return { addressOf: ({ socket }: Connected) => socket.remoteAddress ?? '', isTrusted: () => false };
  }
  const isTrusted = networkMatcher(trustedProxies);
  return { addressOf: addressBehind(isTrusted), isTrusted };
}

function addressBehind(isTrusted: (address: string) => boolean): AddressOf {
  function clientOf(peer: string, hops: Hops): string {
    let client = peer;
    for (const hop of hops) {
      if (hop === undefined) break;
      client = hop;
      if (!isTrusted(hop)) break;
    }
    return client;
  }

  return ({ headers, socket }) => {
    const peer = plainAddress(socket.remoteAddress ?? '');
    if (!isTrusted(peer)) return peer;
    const { forwarded } = headers;
    const listed = headers['x-forwarded-for'];
    const byList = listed === undefined ? undefined : clientOf(peer, listedHops([listed].flat().join()));
    const byForwarded = forwarded === undefined ? undefined : clientOf(peer, forwardedHops(forwarded));
    if (byList === undefined || byForwarded === undefined) return byList ?? byForwarded ?? peer;
    return byList === byForwarded ? byList : peer;
  };
}

function listedHops(value: string): Hops {
  return nearestFirst(value.split(',').map((hop) => readAddress(hop.trim())));
}

/** None where the header has not the form: an open quote of the client could hide what a proxy has appended. */
function forwardedHops(value: string): Hops {
  const hops: (string | undefined)[] = [];
  const pair = /[ \t]*([\w!#$%&'*+.^`|~-]+)=(?:([\w!#$%&'*+.^`|~-]+)|"((?:[^"\\]|\\.)*)")[ \t]*([;,]|$)/y;
  let given: string | undefined;
  for (let next = 0; next < value.length; next = pair.lastIndex) {
    pair.lastIndex = next;
    const [, name = '', token, quoted, end] = pair.exec(value) ?? [];
    if (end === undefined || (end !== '' && pair.lastIndex === value.length)) return [];
    if (name.toLowerCase() === 'for') {
      if (given !== undefined) return [];
      given = token ?? quoted ?? '';
    }
    if (end === ';') continue;
    hops.push(readAddress(given ?? ''));
    given = undefined;
  }
  return nearestFirst(hops);
}

function nearestFirst(hops: Hops): Hops {
  return hops.slice(-maxHops).reverse();
}

/** `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`; undefined for all else. */
function readAddress(text: string): string | undefined {
  const [, ipv6, ipv4, port = '0'] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const address = ipv6 ?? ipv4 ?? text;
  const isRight = ipv6 === undefined ? isIP(address) !== 0 : isIP(address) === 6;
  return isRight && !address.includes('%') && Number(port) <= 65_535 ? plainAddress(address) : undefined;
}
