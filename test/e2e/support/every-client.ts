/**
 * The promise that each file here makes of one kind of registry: every client pulls through Entrepot and gets what was
 * pushed, first while the registry is up, then again when it is gone and Entrepot has been restarted.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RunningEntrepot } from '../../support/processes.ts';
import type { Client } from './client.ts';
import { containerd } from './containerd.ts';
import { docker } from './docker.ts';
import { type EntrepotFiles, startEntrepot } from './entrepot.ts';
import { isEquipped, obstacle } from './equipment.ts';
import type { Image } from './images.ts';
import type { Origin } from './origin.ts';
import { podman } from './podman.ts';
import type { Environment } from './programs.ts';
import { openSite, type Site } from './site.ts';
import { skopeo } from './skopeo.ts';

export const clients: readonly Client[] = [skopeo, podman, containerd, docker];

export interface Supply {
  readonly origin: Origin;
  /** Where the origin keeps what clients know as `docker.io/library/NAME` and `quay.io/NAME`. */
  readonly repository: (registry: Client['registry'], name: string) => string;
  readonly files: EntrepotFiles;
  /** Asserts what the registry's side must have seen once every client has pulled. */
  readonly witness?: () => void;
}

/** `arrange` starts the registry; what Entrepot reads besides `files` goes in `home`. */
export type Arrange = (site: Site, home: string, env: Environment) => Promise<Supply>;

export function everyClientPulls(from: string, arrange: Arrange): void {
  describe(`through Entrepot, from ${from}`, () => {
    const images = new Map<Client, Image>();
    let site: Site;
    let supply: Supply;
    let entrepot: RunningEntrepot;
    let restart: () => Promise<RunningEntrepot>;

    before(async () => {
      if (obstacle() !== undefined) return;
      site = await openSite();
      const home = site.folder('entrepot');
      const env = site.resident(home);
      supply = await arrange(site, home, env);
      for (const client of clients) {
        const image = await site.images.image(client.name);
        images.set(client, image);
        await supply.origin.push(image, supply.repository(client.registry, nameFor(client)), '1');
      }
      restart = async () => site.own(await startEntrepot(home, env, supply.files));
      entrepot = await restart();
    });
    after(() => site?.close());

    const pulls = async (client: Client) => {
      const folder = site.folder(client.name);
      const image = `${client.registry}/${client.registry === 'docker.io' ? 'library/' : ''}${nameFor(client)}:1`;
      const env = site.resident(folder);
      const pulled = await client.pull({ image, entrepot: entrepot.host, folder, env });
      const pushed = images.get(client);
      assert.equal(
        pulled.digest,
        pushed?.digest,
        'the digest that the client reports is the one that was pushed',
      );
      assert.deepEqual(pulled.layers, pushed?.[client.keeps], 'the layers are those that were pushed');
    };

    for (const client of clients) {
      test(`${client.name} pulls what was pushed`, async (t) => {
        if (!isEquipped(t, client.programs)) return;
        await pulls(client);
        for (const layer of images.get(client)?.layers.slice(1) ?? []) {
          assert.equal(supply.origin.blobReads(layer), 1, 'the registry is asked once for a layer');
        }
      });
    }

    test('the registry has seen what it should', (t) => {
      if (!isEquipped(t)) return;
      const [shared = ''] = images.get(skopeo)?.layers ?? [];
      assert.equal(supply.origin.blobReads(shared), 1, 'the layer that all images have is fetched once');
      supply.witness?.();
    });

    test('Entrepot starts again when the registry is gone', async (t) => {
      if (!isEquipped(t)) return;
      const { code } = await entrepot.stop();
      assert.equal(code, 0, entrepot.stderr);
      await supply.origin.stop();
      entrepot = await restart();
    });

    for (const client of clients) {
      test(`${client.name} pulls the same from the cache alone`, async (t) => {
        if (!isEquipped(t, client.programs)) return;
        await pulls(client);
      });
    }
  });
}

function nameFor(client: Client): string {
  return client.registry === 'docker.io' ? `app-${client.name}` : `team/app-${client.name}`;
}
