/**
 * The pull of the configuration in force, in two layers:
 *
 *   createHostedPull   images of `[[push]]` rules: hosted content first, as the rule's mode says; every other image goes on to
 *   createPull         the cache, and the endpoints of the configuration
 *
 * A request of a peer goes to a pull that asks no peers, unless this replica asks none about the target itself.
 *
 * Both are made anew when a reload has replaced the routes, with new negative caches. Each request goes to the ones that are in force
 * when it comes. Cache and transfers go on over a reload.
 */
import type { HostedContent } from '../cache/hosted-content.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { PeerRequests } from '../http/peer-request.ts';
import { createPull, type PullDeps } from '../pull/create-pull.ts';
import { createHostedPull } from '../pull/hosted/hosted-pull.ts';
import type { Pull } from '../pull/pull.ts';
import { referenceOf, type Target } from '../routing/target.ts';
import { peerless, peerlessInForce } from '../upstream/peerless.ts';
import type { LiveRoutes } from './live-routes.ts';

export interface LivePullDeps extends Omit<PullDeps, 'upstream' | 'inForce' | 'cache'> {
  readonly routes: LiveRoutes;
  readonly cache: PullDeps['cache'] & { readonly hosted: HostedContent };
  /** Undefined: this server belongs to no cluster. */
  readonly cluster: Cluster | undefined;
}

export interface LivePull extends Pull {
  /** For requests of peers. */
  readonly peers: PeerRequests | undefined;
}

/** Throws nothing. */
export function createLivePull({ routes, cache, cluster, ...rest }: LivePullDeps): LivePull {
  const { inForce } = routes;
  const current = routes.each(({ upstream, settings: { freshness, push: rules } }) => {
    const over = (own: Pick<PullDeps, 'upstream' | 'inForce'>) => {
      const pull = createPull({ ...rest, cache, ...own }, freshness);
      return createHostedPull({ pull, recall: pull.recall, cache, content: cache.hosted }, rules);
    };
    return {
      pull: over({ upstream, inForce }),
      peerless: cluster && over({ upstream: peerless(upstream), inForce: peerlessInForce(inForce) }),
    };
  });

  /** Where this replica asks no peer anyway, a request of one shares what is under way for clients. */
  function forPeer(target: Target): Pull {
    const made = current();
    const { upstream } = routes.current;
    const asksPeers = upstream.endpoints(referenceOf(target)).some(({ role }) => role === 'peer');
    return (asksPeers && made.peerless) || made.pull;
  }

  return {
    ...liveOver(() => current().pull),
    peers: cluster && {
      id: () => cluster.self.id,
      senderOf: cluster.proof.senderOf,
      outranks: cluster.outranks,
      homeOf: cluster.homeOf,
      passOn: (...asked) => routes.current.upstream.passOn(...asked),
      pull: liveOver(forPeer),
    },
  };
}

/** Each request goes to the pull that `of` gives at that moment. */
function liveOver(of: (target: Target) => Pull): Pull {
  return {
    manifest: (target) => of(target).manifest(target),
    headBlob: (target) => of(target).headBlob(target),
    blob: (target) => of(target).blob(target),
    tags: (target) => of(target).tags(target),
    referrers: (target) => of(target).referrers(target),
    expire: (target) => of(target).expire(target),
    ensure: (target, options) => of(target).ensure(target, options),
  };
}
