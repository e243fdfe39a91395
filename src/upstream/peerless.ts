/** The endpoints of registries.conf alone: for requests of a peer, which are never passed on to another one. */
import { withoutPeers } from './peer-endpoints.ts';
import type { Upstream } from './upstream.ts';
import type { UpstreamInForce } from './upstream-in-force.ts';

const peers = false;

/** The same upstream, which asks no peer. */
export function peerless(upstream: Upstream): Upstream {
  return {
    ...upstream,
    endpoints: (reference) => withoutPeers(upstream.endpoints(reference)),
    getManifest: (reference, options) => upstream.getManifest(reference, { ...options, peers }),
    headManifest: (reference, options) => upstream.headManifest(reference, { ...options, peers }),
    headBlob: (reference, digest, options) => upstream.headBlob(reference, digest, { ...options, peers }),
    openBlob: (reference, digest, range, options) =>
      upstream.openBlob(reference, digest, range, { ...options, peers }),
    listTags: (reference, options) => upstream.listTags(reference, { ...options, peers }),
    listReferrers: (reference, subject, options) =>
      upstream.listReferrers(reference, subject, { ...options, peers }),
  };
}

/** The same for transfers. */
export function peerlessInForce(inForce: UpstreamInForce): UpstreamInForce {
  return {
    ...inForce,
    get current() {
      return peerless(inForce.current);
    },
    ask: (reference, question, options) =>
      inForce.ask(reference, (upstream, signal) => question(peerless(upstream), signal), options),
  };
}
