/** CNCF distribution as a pull-through proxy of one registry, with the settings that Debian's package has by default. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../stage.ts';
import { keepRunning } from './keep-running.ts';
import type { Peer } from './peer.ts';

export const dockerRegistry: Peer = {
  name: 'docker-registry',
  needs: { program: 'docker-registry', debian: 'docker-registry' },
  async start(stage, { host }) {
    const folder = stage.folder('docker-registry');
    const address = `127.0.0.1:${await freePort()}`;
    const settings = {
      version: '0.1',
      storage: {
        cache: { blobdescriptor: 'inmemory' },
        filesystem: { rootdirectory: join(folder, 'storage') },
      },
      http: { addr: address },
      proxy: { remoteurl: `http://${host}` },
    };
    // JSON is YAML.
    const file = join(folder, 'config.yml');
    writeFileSync(file, JSON.stringify(settings));
    return keepRunning('docker-registry', stage, {
      command: ['docker-registry', 'serve', file],
      folder,
      address,
    });
  },
};
