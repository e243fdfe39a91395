/** Puts the use case together: one function per kind of target, over the same cache, upstream and transfers. */

import type { Cache } from '../cache/cache.ts';
import type { ServerConfig } from '../config/config.ts';
import type { Clock } from '../lib/clock.ts';
import type { ManifestTarget } from '../routing/target.ts';
import type { Log } from '../telemetry/log.ts';
import type { Transfers } from '../transfer/transfers.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { UpstreamInForce } from '../upstream/upstream-in-force.ts';
import { createEnsure } from './ensure.ts';
import { createFreshness } from './freshness.ts';
import { createListReferrers } from './list-referrers.ts';
import { createListTags } from './list-tags.ts';
import { createNegativeCache } from './negative-cache.ts';
import type { Pull } from './pull.ts';
import { createPullBlob } from './pull-blob.ts';
import { createPullManifest } from './pull-manifest.ts';
import { createRecall, type Recall } from './recall.ts';
import { createRevalidationTimeout } from './revalidation-timeout.ts';

export interface PullDeps {
  readonly cache: Cache;
  readonly upstream: Upstream;
  /** For blobs: their transfers may outlive `upstream`. */
  readonly inForce: UpstreamInForce;
  readonly transfers: Transfers;
  readonly clock: Clock;
  readonly log: Pick<Log, 'debug' | 'warn'>;
}

/** ms that a client waits for a revalidation: a little more than the first hedge, so that one dead mirror makes nothing stale. */
const revalidationWait = 1200;
/** ms for which a failed revalidation is served stale without asking again: a wrong password is wrong for every client. */
const unconfirmedFor = 2_000;
const headersBy = 10_000;

/** One instance per configuration; its short memories (absences, failed revalidations) go with it. */
export function createPull(
  deps: PullDeps,
  config: ServerConfig['freshness'],
): Pull & { readonly recall: Recall } {
  const freshness = createFreshness(config);
  const absences = createNegativeCache(deps.clock, config.missing);
  const unconfirmed = createNegativeCache(deps.clock, unconfirmedFor);
  const timeout = createRevalidationTimeout(deps, config.serveStaleWhileRevalidating ? 0 : revalidationWait);
  const kept = { ...deps, freshness, absences, unconfirmed, timeout };
  // Apart from the manifests: what is no manifest may well be a blob, under the same digest.
  const absentBlobs = createNegativeCache(deps.clock, config.missing);
  const blobs = createPullBlob({ ...deps, absences: absentBlobs, headersBy });
  const manifest = createPullManifest({ ...kept, onMissing: config.onMissing });
  const tags = createListTags(kept);
  const referrers = createListReferrers(kept);

  async function expireManifest({
    image: { name },
    reference: { tag, digest },
  }: ManifestTarget): Promise<void> {
    for (const what of [tag, digest]) {
      if (!what) continue;
      absences.forget(name, what);
      unconfirmed.forget(name, what);
    }
    if (tag) await deps.cache.expireTag(name, tag);
  }

  return {
    manifest,
    headBlob: blobs.head,
    blob: blobs.get,
    tags: tags.get,
    referrers: referrers.get,
    async expire(target) {
      if (target.kind === 'manifest') await expireManifest(target);
      else await (target.kind === 'tags' ? tags.expire(target) : referrers.expire(target));
    },
    recall: createRecall({ ...kept, absences: createNegativeCache(deps.clock, 0), headersBy }),
    ensure: createEnsure({ cache: deps.cache, manifest, blobs }),
  };
}
