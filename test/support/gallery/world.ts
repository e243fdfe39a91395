/** One registry of the gallery with Entrepot in front of it, alone or behind a second one; time stands still until it is moved. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RunningApp, startApp } from '../app.ts';
import { createManualClock, type ManualClock } from '../clock.ts';
import { entry } from '../endpoints.ts';
import { type GetOptions, get, type HttpAnswer } from '../http-client.ts';
import { settled } from '../mirrored-registry.ts';
import type { Cleanup } from '../temp-folder.ts';
import { type GalleryRegistry, startGalleryRegistry } from './gallery-registry.ts';
import type { Personality } from './personality.ts';

export interface World {
  readonly gallery: GalleryRegistry;
  readonly clock: ManualClock;
  /** Asks the Entrepot that clients know: `ask('team/app', 'manifests/1')`. */
  ask(repository: string, path: string, options?: GetOptions): Promise<HttpAnswer>;
  /** Resolves when everything that was pulled is in the store. */
  settle(): Promise<void>;
  /** What `docker login` leaves: the account's present password. */
  login(): void;
  /** Stops the registry, and the Entrepot behind the first one. */
  stopOrigin(): Promise<void>;
}

const registryName = 'ex.test';

export async function createWorld(
  test: Cleanup,
  personality: Personality,
  isChained: boolean,
): Promise<World> {
  const clock = createManualClock();
  const gallery = await startGalleryRegistry(test, personality, clock);
  const inner = await startApp(
    test,
    { registries: entry(registryName, { source: gallery.host }), authJson: authFile(gallery) },
    { clock },
  );
  const outer = isChained ? await startBehind(test, inner, clock) : undefined;
  const known = outer ?? inner;
  return {
    gallery,
    clock,
    ask: (repository, path, options) => get(`${known.url}/v2/${registryName}/${repository}/${path}`, options),
    async settle() {
      await settled(inner);
      if (outer) await settled(outer);
    },
    login: () => writeFileSync(join(inner.folder, 'auth.json'), authFile(gallery)),
    async stopOrigin() {
      await gallery.refuse();
      if (outer) await inner.stop();
    },
  };
}

function startBehind(test: Cleanup, inner: RunningApp, clock: ManualClock): Promise<RunningApp> {
  const source = `${new URL(inner.url).host}/${registryName}`;
  return startApp(test, { registries: entry(registryName, { source }) }, { clock });
}

function authFile({ host, account, personality: { access } }: GalleryRegistry): string {
  if (account === undefined) return '{}';
  if (access.kind === 'bearer' && access.identityToken !== undefined) {
    const auth = Buffer.from('00000000-0000-0000-0000-000000000000:').toString('base64');
    return JSON.stringify({ auths: { [host]: { auth, identitytoken: access.identityToken } } });
  }
  const auth = Buffer.from(`${account.username}:${account.password}`).toString('base64');
  return JSON.stringify({ auths: { [host]: { auth } } });
}
