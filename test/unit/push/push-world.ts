/** A server without HTTP for the model of pushes: cache, transfers, uploads, push rules and pulls over one data folder. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { openCache } from '../../../src/cache/open-cache.ts';
import { alone } from '../../../src/cache/shared/agreement.ts';
import type { PushRule } from '../../../src/config/config.ts';
import { createBufferPool } from '../../../src/lib/bytes/buffer-pool.ts';
import type { Hasher } from '../../../src/lib/bytes/hasher.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { readManifest } from '../../../src/oci/manifest.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { createPull } from '../../../src/pull/create-pull.ts';
import { createHostedPull } from '../../../src/pull/hosted/hosted-pull.ts';
import { createPush } from '../../../src/push/create-push.ts';
import type { Durable } from '../../../src/push/durable.ts';
import { createTakeUpstream } from '../../../src/push/take-upstream.ts';
import { openUploads } from '../../../src/push/uploads.ts';
import type { ImageName } from '../../../src/routing/target.ts';
import { createTransfers } from '../../../src/transfer/transfers.ts';
import type { Answer, Upstream } from '../../../src/upstream/upstream.ts';
import { createUpstreamInForce } from '../../../src/upstream/upstream-in-force.ts';
import { endpointAt, scriptedSource } from '../../support/scripted-source.ts';
import { modelLimits, turns } from '../transfer/model-fixture.ts';

/** What the registry has, in every image of it. */
export interface Origin {
  readonly blobs: ReadonlyMap<Digest, Buffer>;
  readonly manifests: ReadonlyMap<Digest, Buffer>;
  readonly tags: ReadonlyMap<string, Digest>;
}

export interface WorldOptions {
  readonly data: string;
  readonly hasher: Hasher;
  readonly origin: Origin;
  readonly rules: readonly PushRule[];
  readonly maxSize: number;
  readonly quota: string;
}

export type World = Awaited<ReturnType<typeof openWorld>>;

const log = { debug() {}, info() {}, warn() {}, error() {} };

/** Stands still, so that no access time and no freshness depends on the machine; its timers are real. */
const clock = { ...systemClock, now: () => 1_700_000_000_000, monotonic: () => 0 };

export async function openWorld({ data, hasher, origin, rules, maxSize, quota }: WorldOptions) {
  const buffers = createBufferPool({ budget: 64 * 1024 * 1024, keep: 0 });
  const cache = await openCache(
    // Too few to hold back 4 MiB of disk for the index, which would be copied at each kill.
    { clock, log, buffers, freeBytes: () => 7_000_000 },
    { data, maxSize, minFree: 0, quotas: [{ match: quota, maxSize: 1_000_000 }], pins: [] },
  );
  const transfers = createTransfers(
    {
      ...cache,
      ...{ clock, log, hasher, buffers, report() {} },
      blocks: { retain() {}, release() {}, lend: () => true, takeBack() {} },
      stallTimeoutOf: () => 30_000,
      fetchersFor: () => 1,
      metrics: { received() {}, transferRead() {}, transferEnded() {} },
    },
    { fill: 'always', writeBehind: 1_000_000 },
    { limits: modelLimits },
  );
  await transfers.sweep(cache.isStored);
  const uploads = await openUploads(
    {
      ...{ clock, hasher, content: cache.hosted, onDropped() {} },
      onFailed: (error) => assert.fail(String(error)),
    },
    join(data, 'uploads'),
  );
  const upstream = upstreamOf(origin);
  const inForce = createUpstreamInForce(() => upstream);
  const freshness = {
    tag: 0,
    missing: 0,
    onMissing: 'drop',
    serveStaleWhileRevalidating: false,
    rules: [],
  } as const;

  function underRules(inOrder: readonly PushRule[]) {
    const plain = createPull({ cache, upstream, inForce, transfers, clock, log }, freshness);
    const { recall } = plain;
    const { heard } = alone;
    const pull = createHostedPull({ pull: plain, recall, cache, content: cache.hosted, heard }, inOrder);
    const takeUpstream = createTakeUpstream({ pull, content: cache.hosted });
    return {
      pull,
      push: createPush(
        {
          content: cache.hosted,
          uploads,
          pull,
          agreement: alone,
          takeUpstream,
          durable: onDiskAlone,
          clock,
          onStored() {},
        },
        inOrder,
      ),
    };
  }

  return {
    cache,
    uploads,
    transfers,
    ...underRules(rules),
    reload(this: { push: unknown; pull: unknown }, next: readonly PushRule[]): void {
      Object.assign(this, underRules(next));
    },
    async close(): Promise<void> {
      uploads.close();
      await transfers.close();
      await cache.close();
    },
  };
}

/** No bucket is configured. */
export const onDiskAlone: Durable = { stored: async () => undefined, bytes: async () => undefined };

function upstreamOf(origin: Origin): Upstream {
  const endpoint = endpointAt('up.test');
  const absent = { ok: false, verdict: { kind: 'notFound' }, trail: [] } as const;
  async function answer<T>({ registry }: Reference, value: T | undefined): Promise<Answer<T>> {
    await turns(2);
    return registry !== 'up.test' || value === undefined ? absent : { ok: true, value, endpoint, trail: [] };
  }
  const digestOf = ({ digest, tag }: Reference) => digest ?? origin.tags.get(tag ?? '');
  const notAsked = () => assert.fail('not asked');
  return {
    endpoints: ({ registry }: Reference) => (registry === 'up.test' ? [endpoint] : []),
    listRepositories: notAsked,
    passOn: notAsked,
    isOffline: false,
    isInBucket: async () => false,
    isDown: () => false,
    hasAnswered: () => true,
    getManifest(reference: Reference) {
      const digest = digestOf(reference);
      const bytes = digest && origin.manifests.get(digest);
      if (!digest || !bytes) return answer(reference, undefined);
      const manifest = readManifest(bytes, '');
      if ('problem' in manifest) return notAsked();
      return answer(reference, { digest, bytes, manifest, mediaType: manifest.mediaType });
    },
    headManifest(reference: Reference) {
      const digest = digestOf(reference);
      const isHere = digest !== undefined && origin.manifests.has(digest);
      return answer(reference, isHere ? { digest, fetched: undefined } : undefined);
    },
    headBlob(reference: Reference, digest: Digest) {
      const bytes = origin.blobs.get(digest);
      return answer(reference, bytes && { size: bytes.length });
    },
    openBlob(reference, digest, range, options = {}) {
      const bytes = origin.blobs.get(digest);
      if (reference.registry !== 'up.test' || !bytes) return answer(reference, undefined);
      const scripts = [{ host: 'up.test', bytes }];
      return scriptedSource('up.test/a', scripts, { chunk: 200 }).open(range, {
        ...options,
        exclude: new Set(),
      });
    },
    listTags: (reference) => answer(reference, [...origin.tags.keys()]),
    listReferrers: (reference) => answer(reference, undefined),
    report() {},
    health: () => [],
    fetchJson: notAsked,
    askUrl: notAsked,
    post: notAsked,
    retire: async () => {},
    close: async () => {},
  } as Upstream;
}

export function imageName(name: string): ImageName {
  const [registry = '', repository = ''] = name.split('/');
  return { registry, repository, name } as unknown as ImageName;
}
