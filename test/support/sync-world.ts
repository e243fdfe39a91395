/** A registry, a proxy with one `[[sync]]` named `app` of it, and what a test asks of both. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { SyncPlan, SyncReport } from '../../src/replication/sync-block.ts';
import type { SyncOptions } from '../../src/replication/sync-deps.ts';
import { type RunningApp, startApp } from './app.ts';
import { createManualClock, type ManualClock } from './clock.ts';
import { type FakeRegistry, type FakeRegistryOptions, startFakeRegistry } from './fake-registry.ts';
import { get } from './http-client.ts';
import { insecureRegistry } from './mirrored-registry.ts';

export interface World {
  readonly registry: FakeRegistry;
  readonly proxy: RunningApp;
  readonly clock: ManualClock;
  plan(): Promise<SyncPlan>;
  run(options?: Partial<SyncOptions>): Promise<SyncReport>;
  /** GET through the proxy. */
  pull(path: string): Promise<{ status: number; digest: unknown }>;
}

export interface WorldOptions {
  /** Lines of the block. */
  readonly block?: string;
  readonly source?: string;
  readonly toml?: string;
  readonly upstream?: FakeRegistryOptions;
}

export async function world(t: TestContext, options: WorldOptions = {}): Promise<World> {
  const registry = await startFakeRegistry(options.upstream);
  t.after(() => registry.stop());
  const clock = createManualClock();
  const source = `${registry.host}/${options.source ?? 'team/app'}`;
  const toml = `[[sync]]\nname = "app"\nsource = "${source}"\n${options.block ?? ''}\n${options.toml ?? ''}`;
  const proxy = await startApp(t, { registries: insecureRegistry(registry.host), toml }, { clock });
  const { administration } = proxy.app;
  return {
    registry,
    proxy,
    clock,
    plan: async () => (await administration.planSync(['app']))[0] ?? assert.fail('no plan'),
    run: async (options = {}) => (await administration.sync(['app'], options))[0] ?? assert.fail('no report'),
    async pull(path) {
      const answer = await get(`${proxy.url}/v2/${registry.host}/team/app/${path}`);
      return { status: answer.status, digest: answer.headers['docker-content-digest'] };
    },
  };
}

/** `tag action` of the first repository. */
export function actions({ repositories: [repository] }: SyncPlan | SyncReport): readonly string[] {
  return (repository?.tags ?? []).map(({ tag, action }) => `${tag} ${action}`);
}

/** `tag state` of the first repository. */
export function states({ repositories: [repository] }: SyncReport): readonly string[] {
  return (repository?.tags ?? []).map(({ tag, state }) => `${tag} ${state}`);
}
