/** The buckets of `[[store]]`. Their clients are loaded only if there is one. */
import type { Config } from '../config/config.ts';
import type { Environment } from '../config/proxy-env.ts';
import type { ReadBlocks } from '../lib/bytes/read-blocks.ts';
import type { Clock } from '../lib/clock.ts';
import { createPermits } from '../lib/flow/permits.ts';
import type { ObjectStore } from '../stores/object-store.ts';
import { createHttpClient } from '../upstream/http/http-client.ts';
import type { Lookups } from '../upstream/http/lookups.ts';

export interface OpenStoresDeps {
  readonly clock: Clock;
  readonly env: Environment;
  readonly blocks: ReadBlocks;
  readonly lookups: Lookups;
  readonly via: string;
  /** Version of the program, for `User-Agent`. */
  readonly version: string | undefined;
}

/** Bodies of uploads in memory at once, of all stores: 8 MiB each. */
const bodiesAtOnce = 8;

/** Nearest first. Contacts no host. Throws EntrepotError TLS_UNUSABLE for a CA file that cannot be used. The caller closes them. */
export async function openStores(
  { server, proxies }: Pick<Config, 'server' | 'proxies'>,
  { version, env, ...deps }: OpenStoresDeps,
): Promise<readonly ObjectStore[]> {
  if (server.stores.length === 0) return [];
  const { openStore } = await import('../stores/open-store.ts');
  const permits = createPermits(bodiesAtOnce);
  const userAgent = version === undefined ? 'entrepot' : `entrepot/${version}`;
  return server.stores.map((store) => {
    const options = { ...store, name: `[[store]] "${store.name}"` };
    const transport = createHttpClient({ ...deps, proxies, userAgent }, options);
    return openStore(store, { transport, clock: deps.clock, env, permits });
  });
}
