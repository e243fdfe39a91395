/** Stores over the transport of the program: real sockets, DNS, proxies and TLS. */
import type { Environment } from '../../src/config/proxy-env.ts';
import type { AzureStoreConfig, S3StoreConfig, StoreConfig } from '../../src/config/store-config.ts';
import { createReadBlocks, type ReadBlocks } from '../../src/lib/bytes/read-blocks.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import type { ObjectStore } from '../../src/stores/object-store.ts';
import { openStore } from '../../src/stores/open-store.ts';
import { createPartMemory, type PartMemory } from '../../src/stores/part-memory.ts';
import { createHttpClient } from '../../src/upstream/http/http-client.ts';
import { createLookups, type ResolveAll } from '../../src/upstream/http/lookups.ts';
import type { FakeS3 } from './fake-s3.ts';
import type { Cleanup } from './temp-folder.ts';

const common = {
  placement: { match: [], uploadRate: undefined, redirect: undefined, sweep: undefined },
  prefix: '',
  caFile: undefined,
  proxy: undefined,
  connectTimeout: 3000,
  headerTimeout: 15_000,
  stallTimeout: 30_000,
  maxConnections: 64,
} as const;

/** As a `[[store]]` without anything that can be left out. */
export function s3Config(settings: Partial<S3StoreConfig> & Pick<S3StoreConfig, 'bucket'>): S3StoreConfig {
  const none = { endpoint: undefined, region: undefined, pathStyle: undefined, keyFiles: undefined };
  return { ...common, ...none, cloudFront: undefined, kind: 's3', name: 'test', ...settings };
}

export function azureConfig(
  settings: Partial<AzureStoreConfig> & Pick<AzureStoreConfig, 'account' | 'container' | 'endpoint'>,
): AzureStoreConfig {
  return {
    ...common,
    accountKeyFile: undefined,
    sasFile: undefined,
    kind: 'azure',
    name: 'test',
    ...settings,
  };
}

const toThisMachine: ResolveAll = (_name, _options, callback) =>
  callback(null, [{ address: '127.0.0.1', family: 4 }]);

const usualBlocks = { size: 512 * 1024, sockets: 16, keep: 4, lend: 8 };

export interface OpenStoreOptions {
  readonly env?: Environment;
  readonly clock?: Clock;
  readonly blocks?: ReadBlocks;
  readonly memory?: PartMemory;
  /** Every name is this machine. */
  readonly isAllHere?: boolean;
}

/** The end of the test closes it. */
export function openTestStore(
  test: Cleanup,
  config: StoreConfig,
  {
    env = {},
    clock = systemClock,
    isAllHere = false,
    blocks = createReadBlocks(usualBlocks),
    memory = createPartMemory(8, { clock }),
  }: OpenStoreOptions = {},
): ObjectStore {
  const transport = createHttpClient(
    {
      clock,
      blocks,
      lookups: createLookups({ clock, ...(isAllHere && { resolve: toThisMachine }) }),
      proxies: { http: undefined, https: undefined, no: undefined },
      userAgent: 'entrepot/test',
      via: { outgoing: '1.1 entrepot-test' },
    },
    { ...config, name: `[[store]] "${config.name}"` },
  );
  const store = openStore(config, { transport, clock, env, memory });
  test.after(() => store.close());
  return store;
}

/** The environment with the first key of the server, and what a block needs to reach its bucket. */
export function fakeS3Access({ keys, endpoint, bucket, region }: FakeS3) {
  const [key] = keys;
  const env = { AWS_ACCESS_KEY_ID: key?.accessKey, AWS_SECRET_ACCESS_KEY: key?.secretKey };
  return { env, place: { endpoint, bucket, region } };
}
