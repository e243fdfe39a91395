/** Entrepot as `npm start` runs it, from this checkout. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../stage.ts';
import { keepRunning } from './keep-running.ts';
import type { Peer } from './peer.ts';

const root = join(import.meta.dirname, '..', '..');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: { start: string };
};
/** For `env`, not for a shell. Ends with `serve`. */
const startCommand = scripts.start
  .split(' ')
  .filter((word) => word !== 'exec')
  .map((word) => {
    if (word === 'node') return process.execPath;
    return word.endsWith('.ts') ? join(root, word) : word;
  });

/** Another command of this checkout. */
export function command(name: string): readonly string[] {
  return ['env', ...startCommand.slice(0, -1), name];
}

export const entrepot: Peer = {
  name: 'entrepot',
  async start(stage, { host, mirrors = [], toml = '', data, address: wanted, verify = false }) {
    const folder = stage.folder('entrepot');
    const file = (name: string) => join(folder, name);
    const tables = mirrors.map((mirror) => `[[registry.mirror]]\nlocation = "${mirror}"\ninsecure = true\n`);
    const source = `[[registry]]\nprefix = "registry.test"\nlocation = "${host}"\ninsecure = ${!verify}\n`;
    writeFileSync(file('registries.conf'), [source, ...tables].join('\n'));
    writeFileSync(file('entrepot.toml'), `[routing]\ndefault_registry = "registry.test"\n${toml}`);
    const address = wanted ?? `127.0.0.1:${await freePort()}`;
    const files = ['--registries', file('registries.conf'), '--config', file('entrepot.toml')];
    const profile = process.env.BENCH_PROFILE
      ? [`NODE_OPTIONS=--cpu-prof --cpu-prof-dir=${process.env.BENCH_PROFILE}`]
      : [];
    return keepRunning('entrepot', stage, {
      command: [
        'env',
        ...profile,
        ...startCommand,
        '--listen',
        address,
        '--data',
        data ?? file('data'),
        ...files,
      ],
      folder,
      address,
    });
  },
};
