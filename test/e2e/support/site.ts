/**
 * Where one test file's programs live: a temporary folder, homes inside it, and a list of what has to be stopped, in
 * reverse order, whatever happened.
 */
import { mkdirSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { place } from './client.ts';
import { createImageWorkshop, type ImageWorkshop } from './images.ts';
import type { Environment } from './programs.ts';

export interface Site {
  /** A new folder. */
  folder(name: string): string;
  /** The environment of somebody with an empty home in that folder. */
  resident(folder: string): Environment;
  readonly images: ImageWorkshop;
  /** Registers what `close` has to stop; gives it back. */
  own<T extends { stop(): Promise<unknown> }>(owned: T): T;
  close(): Promise<void>;
}

const acceptAnything = JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] });

export async function openSite(): Promise<Site> {
  const root = mkdtempSync(join(tmpdir(), 'entrepot-e2e-'));
  const owned: { stop(): Promise<unknown> }[] = [];
  const folder = (name: string) => mkdtempSync(join(root, `${name}-`));
  const resident = (home: string): Environment => {
    place(join(home, '.config/containers/policy.json'), acceptAnything);
    mkdirSync(join(home, 'run'), { recursive: true });
    return {
      HOME: home,
      XDG_CONFIG_HOME: join(home, '.config'),
      XDG_RUNTIME_DIR: join(home, 'run'),
      TMPDIR: home,
    };
  };
  return {
    folder,
    resident,
    images: await createImageWorkshop(folder('images'), resident(folder('home'))),
    own(item) {
      owned.push(item);
      return item;
    },
    async close() {
      for (const item of owned.reverse()) await item.stop();
      await rm(root, { recursive: true, force: true });
    },
  };
}
