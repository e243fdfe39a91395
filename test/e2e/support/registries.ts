/**
 * Real registries of different makers, each empty, on a free port, without accounts. zot runs only where its program is in PATH
 * (equipment.ts). The registry of crane has a referrers API too.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Origin, pushWithSkopeo, startOrigin } from './origin.ts';
import { type Environment, start } from './programs.ts';
import { startZot } from './zot.ts';

export interface RealRegistry {
  readonly name: string;
  readonly programs: readonly string[];
  start(folder: string, env: Environment): Promise<Pick<Origin, 'host' | 'push' | 'stop'>>;
}

export const realRegistries: readonly RealRegistry[] = [
  {
    name: 'distribution 2.8',
    programs: ['docker-registry'],
    start: (folder, env) => startOrigin(folder, env),
  },
  {
    name: 'distribution 3',
    programs: ['registry'],
    start: (folder, env) => startOrigin(folder, env, { program: 'registry' }),
  },
  {
    name: "crane's registry",
    programs: ['crane'],
    async start(folder, env) {
      const disk = join(folder, 'storage');
      mkdirSync(disk);
      const args = ['registry', 'serve', '--address', '127.0.0.1:0', '--disk', disk];
      const registry = await start('crane', args, env, /serving on port (\d+)/);
      const host = `127.0.0.1:${registry.announced}`;
      return {
        host,
        push: (image, repository, tag) => pushWithSkopeo(image, `${host}/${repository}:${tag}`, env),
        stop: () => registry.stop(),
      };
    },
  },
  { name: 'zot', programs: ['zot'], start: (folder, env) => startZot(folder, env) },
];
