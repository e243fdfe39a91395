/** The buckets of the configuration, each with connections of its own. Their clients are loaded only if there is one. */
import type { Config } from '../config/config.ts';
import type { Environment } from '../config/proxy-env.ts';
import type { ReadBlocks } from '../lib/bytes/read-blocks.ts';
import type { Clock } from '../lib/clock.ts';
import type { ViaChain } from '../lib/flow/via-chain.ts';
import type { ConfiguredBucket } from '../placement/placement.ts';
import { createHttpClient } from '../upstream/http/http-client.ts';
import type { UpstreamMemory } from '../upstream/upstream-memory.ts';

export interface OpenBucketsDeps {
  readonly clock: Clock;
  readonly blocks: ReadBlocks;
  readonly memory: Pick<UpstreamMemory, 'lookups'>;
  /** Where credentials are looked for that entrepot.toml does not name. */
  readonly env: Environment;
  readonly via: ViaChain;
  readonly version: string | undefined;
}

/** Bodies of uploads in memory at once, of each bucket: 8 MiB each. A slow bucket holds its own for long, and none of another one. */
const uploadsInMemory = 8;

/** Nearest first. Contacts no host. Throws EntrepotError TLS_UNUSABLE for a CA file that cannot be used. */
export async function openBuckets(
  { server, proxies }: Config,
  deps: OpenBucketsDeps,
): Promise<readonly ConfiguredBucket[]> {
  if (server.stores.length === 0) return [];
  const [{ openStore }, { createPartMemory }] = await Promise.all([
    import('../stores/open-store.ts'),
    import('../stores/part-memory.ts'),
  ]);
  const { clock, blocks, memory, env, via, version } = deps;
  const userAgent = version === undefined ? 'entrepot' : `entrepot/${version}`;
  return server.stores.map((config) => {
    const { lookups } = memory;
    const transport = createHttpClient(
      { clock, blocks, lookups, proxies, userAgent, via },
      { ...config, name: `[[store]] "${config.name}"` },
    );
    const parts = createPartMemory(uploadsInMemory, { clock });
    return { ...config.placement, store: openStore(config, { transport, clock, env, memory: parts }) };
  });
}
