/**
 * Puts the peers of a cluster before the endpoints of registries.conf. A peer is asked as any registry proxy is: by the name of the
 * image, with `?ns=` for its registry.
 */
import type { Reference } from '../oci/reference.ts';
import type { Endpoint } from './endpoint.ts';
import type { EndpointsOf } from './endpoints.ts';

/** A replica, as an endpoint needs it. */
export interface AskedPeer {
  /** `host:port`. */
  readonly id: string;
  readonly origin: string;
  readonly name: string;
}

/** `toAsk`: the peers for a reference, best first. An image that no endpoint may be asked for is not asked for elsewhere either. */
export function withPeers(
  inner: EndpointsOf,
  toAsk: (reference: Reference) => readonly AskedPeer[],
): EndpointsOf {
  return (reference) => {
    const endpoints = inner(reference);
    const isBlocked = endpoints.every(({ blockedBy }) => blockedBy !== undefined);
    return isBlocked
      ? endpoints
      : [...toAsk(reference).map((peer) => peerEndpoint(peer, reference)), ...endpoints];
  };
}

/** The image as a peer has it. */
export function peerEndpoint({ id, origin, name }: AskedPeer, reference: Reference): Endpoint {
  return {
    reference: { ...reference, registry: id },
    host: id,
    location: origin,
    role: 'peer',
    insecure: false,
    blockedBy: undefined,
    namespaceProxy: reference.registry,
    peer: { origin, name },
  };
}

/** The disk of a peer: hosted content may be there alone, and the peer asks nothing else for it. */
export function storeEndpoint(peer: AskedPeer, reference: Reference): Endpoint {
  const { origin, name } = peer;
  return { ...peerEndpoint(peer, reference), role: 'store', peer: { origin, name, isStoredOnly: true } };
}

/** Those of registries.conf. */
export function withoutPeers(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  return endpoints.filter(({ role }) => role !== 'peer');
}
