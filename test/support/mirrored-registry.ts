/** One fake registry with the whole program in front of it, whose time stands still until the test moves it. */
import assert from 'node:assert/strict';
import { type AppFiles, type RunningApp, startApp } from './app.ts';
import { createManualClock, type ManualClock } from './clock.ts';
import { type FakeRegistry, type FakeRegistryOptions, startFakeRegistry } from './fake-registry.ts';
import { type GetOptions, get, type HttpAnswer } from './http-client.ts';
import type { Cleanup } from './temp-folder.ts';

export interface MirroredRegistry {
  readonly registry: FakeRegistry;
  readonly proxy: RunningApp;
  readonly clock: ManualClock;
  /** The URL of something in a repository of the registry: `at('team/app', 'manifests/1')`. */
  at(repository: string, path: string): string;
  /** GET of the same. */
  get(repository: string, path: string, options?: GetOptions): Promise<HttpAnswer>;
}

export interface MirroredOptions {
  readonly toml?: string;
  /** Default: the registry alone, insecure. */
  readonly registries?: (registry: FakeRegistry) => string;
  readonly upstream?: FakeRegistryOptions;
  readonly app?: Partial<Parameters<typeof startApp>[2]>;
  readonly folder?: string;
  /** Default: one that begins in 2026. */
  readonly clock?: ManualClock;
}

export async function startMirrored(test: Cleanup, options: MirroredOptions = {}): Promise<MirroredRegistry> {
  const clock = options.clock ?? createManualClock();
  const registry = await startFakeRegistry(options.upstream);
  test.after(() => registry.stop());
  const files: AppFiles = {
    registries: options.registries?.(registry) ?? insecureRegistry(registry.host),
    ...(options.toml !== undefined && { toml: options.toml }),
    ...(options.folder !== undefined && { folder: options.folder }),
  };
  const proxy = await startApp(test, files, { clock, ...options.app });
  const at = (repository: string, path: string): string =>
    `${proxy.url}/v2/${registry.host}/${repository}/${path}`;
  return { registry, proxy, clock, at, get: (repository, path, more) => get(at(repository, path), more) };
}

export function insecureRegistry(host: string): string {
  return `[[registry]]\nlocation = "${host}"\ninsecure = true\n`;
}

/** `X-Entrepot-Cache` of an answer. */
export function cacheOf(answer: HttpAnswer): unknown {
  return answer.headers['x-entrepot-cache'];
}

/** Until what goes on behind an answer has come through. `tries` only end a test that has failed. */
export async function eventually(check: () => Promise<void>, tries = 100_000): Promise<void> {
  for (let left = tries; ; left -= 1) {
    try {
      return await check();
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** Until every transfer has come to its end: what was pulled is then in the store, or never will be. */
export async function settled(proxy: Pick<RunningApp, 'url'>): Promise<void> {
  await eventually(async () => {
    const { body } = await get(`${proxy.url}/metrics`);
    assert.match(body.toString(), /^entrepot_transfers_in_flight 0$/m);
  });
}
