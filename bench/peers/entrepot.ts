/** Entrepot as `npm start` runs it, from this checkout. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../stage.ts';
import { keepRunning } from './keep-running.ts';
import type { Peer } from './peer.ts';

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');

export const entrepot: Peer = {
  name: 'entrepot',
  async start(stage, { host, mirrors = [], toml = '', data, verify = false }) {
    const folder = stage.folder('entrepot');
    const file = (name: string) => join(folder, name);
    const tables = mirrors.map((mirror) => `[[registry.mirror]]\nlocation = "${mirror}"\ninsecure = true\n`);
    const source = `[[registry]]\nprefix = "registry.test"\nlocation = "${host}"\ninsecure = ${!verify}\n`;
    writeFileSync(file('registries.conf'), [source, ...tables].join('\n'));
    writeFileSync(file('entrepot.toml'), `[routing]\ndefault_registry = "registry.test"\n${toml}`);
    const address = `127.0.0.1:${await freePort()}`;
    const files = ['--registries', file('registries.conf'), '--config', file('entrepot.toml')];
    const profile = process.env.BENCH_PROFILE
      ? ['--cpu-prof', `--cpu-prof-dir=${process.env.BENCH_PROFILE}`]
      : [];
    return keepRunning('entrepot', stage, {
      command: [
        process.execPath,
        '--max-semi-space-size=4',
        ...profile,
        main,
        'serve',
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
