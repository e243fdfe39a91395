/**
 * The pull of the configuration in force, in layers:
 *
 *   createHostedPull   images of `[[push]]` rules: hosted content first, as the rule's mode says; every other image goes on to
 *   createPull         the cache, and the endpoints of the configuration
 *
 * Before clients stands a third one where the configuration has gates: `createGatedPull` (`gate/`).
 *
 * A request of a peer goes to a pull that asks no peers, unless this replica asks none about the target itself.
 *
 * Both are made anew when a reload has replaced the routes, with new negative caches. Each request goes to the ones that are in force
 * when it comes. Cache and transfers go on over a reload.
 */
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import type { HostedContent } from '../cache/hosted-content.ts';
import type { VerdictStore } from '../cache/index/verdicts/verdict-store.ts';
import type { Agreement } from '../cache/shared/agreement.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { GatesDeps } from '../gate/create-gates.ts';
import { createGatedPull } from '../gate/gated-pull.ts';
import type { PeerRequests } from '../http/peer-request.ts';
import { createPull, type PullDeps } from '../pull/create-pull.ts';
import { createHostedPull, type HostedPull } from '../pull/hosted/hosted-pull.ts';
import type { Pull } from '../pull/pull.ts';
import { referenceOf, type Target } from '../routing/target.ts';
import type { Tracer } from '../telemetry/tracing/tracer.ts';
import { peerless, peerlessInForce } from '../upstream/peerless.ts';
import type { LiveRoutes } from './live-routes.ts';
import { tracedPull } from './traced.ts';

export interface LivePullDeps
  extends Omit<PullDeps, 'upstream' | 'inForce' | 'cache' | 'log'>,
    Pick<GatesDeps, 'metrics'> {
  readonly routes: LiveRoutes;
  readonly cache: PullDeps['cache'] & { readonly hosted: HostedContent; readonly verdicts: VerdictStore };
  readonly log: PullDeps['log'] & GatesDeps['log'];
  /** Undefined: this server belongs to no cluster. */
  readonly cluster: Cluster | undefined;
  readonly agreement: Agreement;
  readonly tracer: Tracer;
}

/** Itself it is the pull without gates, for what this server does for itself. */
export interface LivePull extends HostedPull {
  /** For clients: manifests have passed the gates of the configuration. */
  readonly clients: Pull;
  /** For principals that may push an image; undefined where no gate stands before clients. */
  readonly ungated: () => Pull | undefined;
  /** For `[[sync]]` blocks and events: those of their gates. */
  readonly syncs: Pull;
  /** For requests of peers, which ask for clients of theirs: their own gates decide. */
  readonly peers: PeerRequests | undefined;
}

/** Throws nothing. */
export function createLivePull({
  routes,
  cache,
  cluster,
  agreement,
  metrics,
  tracer,
  ...rest
}: LivePullDeps): LivePull {
  const { inForce } = routes;
  const current = routes.each(({ upstream, config: { gates }, settings: { freshness, push: rules } }) => {
    const over = (own: Pick<PullDeps, 'upstream' | 'inForce'>) => {
      const pull = createPull({ ...rest, cache, ...own }, freshness);
      const { heard } = agreement;
      return createHostedPull({ pull, recall: pull.recall, cache, content: cache.hosted, heard }, rules);
    };
    const pull = over({ upstream, inForce });
    const gateDeps = { ...rest, pull, askUrl: upstream.askUrl, store: cache.verdicts, metrics };
    const made = gates.length === 0 ? undefined : loadGates().createGates(gateDeps, gates);
    return {
      pull,
      ungated: made?.pull && pull,
      clients: made?.pull ? createGatedPull(pull, made.pull) : pull,
      syncs: made?.sync ? createGatedPull(pull, made.sync) : pull,
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

  const live = (of: (target: Target) => Pull) => tracedPull(liveOver(of), tracer);
  return {
    ...live(() => current().pull),
    clients: live(() => current().clients),
    ungated: () => current().ungated,
    syncs: live(() => current().syncs),
    holds: (target) => current().pull.holds(target),
    peers: cluster && {
      id: () => cluster.self.id,
      senderOf: cluster.proof.senderOf,
      outranks: cluster.outranks,
      homeOf: cluster.homeOf,
      passOn: (...asked) => routes.current.upstream.passOn(...asked),
      pull: live(forPeer),
    },
  };
}

/** Loaded with the first gate: most configurations have none. */
function loadGates(): typeof import('../gate/create-gates.ts') {
  return createRequire(import.meta.url)(`../gate/create-gates${extname(import.meta.filename)}`);
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
