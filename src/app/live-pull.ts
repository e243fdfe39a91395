/**
 * The pull of the configuration in force, in two layers:
 *
 *   createHostedPull   images of `[[push]]` rules: hosted content first, as the rule's mode says; every other image goes on to
 *   createPull         the cache, and the endpoints of the configuration
 *
 * Both are made anew when a reload has replaced the routes, with new negative caches. Each request goes to the ones that are in force
 * when it comes. Cache and transfers go on over a reload.
 */
import type { HostedContent } from '../cache/hosted-content.ts';
import { createPull, type PullDeps } from '../pull/create-pull.ts';
import { createHostedPull } from '../pull/hosted/hosted-pull.ts';
import type { Pull } from '../pull/pull.ts';
import type { LiveRoutes } from './live-routes.ts';

export interface LivePullDeps extends Omit<PullDeps, 'upstream' | 'inForce' | 'cache'> {
  readonly routes: LiveRoutes;
  readonly cache: PullDeps['cache'] & { readonly hosted: HostedContent };
}

/** Throws nothing. */
export function createLivePull({ routes, cache, ...rest }: LivePullDeps): Pull {
  const { inForce } = routes;
  const current = routes.each(({ upstream, settings: { freshness, push: rules } }) => {
    const pull = createPull({ ...rest, cache, inForce, upstream }, freshness);
    return createHostedPull({ pull, cache, content: cache.hosted }, rules);
  });
  return {
    manifest: (target) => current().manifest(target),
    headBlob: (target) => current().headBlob(target),
    blob: (target) => current().blob(target),
    tags: (target) => current().tags(target),
    referrers: (target) => current().referrers(target),
    expire: (target) => current().expire(target),
    ensure: (target, options) => current().ensure(target, options),
  };
}
