/** A real zot on a free port of 127.0.0.1, without TLS and accounts. `equipment.ts` says where its program comes from. */
import { join } from 'node:path';
import { place } from './client.ts';
import { type Notified, type Origin, pushWithSkopeo } from './origin.ts';
import { type Environment, start } from './programs.ts';

/** `notifies`: where its events go, as the sample in docs/events.md has it; the build needs the tag `events` for that. */
export async function startZot(
  folder: string,
  env: Environment,
  notifies?: Notified,
): Promise<Pick<Origin, 'host' | 'push' | 'stop'>> {
  const settings = {
    distSpecVersion: '1.1.1',
    storage: { rootDirectory: join(folder, 'storage') },
    http: { address: '127.0.0.1', port: '0' },
    log: { level: 'info' },
    ...(notifies && { extensions: { events: { enable: true, sinks: [sink(notifies)] } } }),
  };
  const file = place(join(folder, 'config.json'), JSON.stringify(settings, null, 2));
  const zot = await start('zot', ['serve', file], env, /listening on kernel chosen port.*"port":(\d+)/);
  const host = `127.0.0.1:${zot.announced}`;
  return {
    host,
    push: (image, repository, tag) => pushWithSkopeo(image, `${host}/${repository}:${tag}`, env),
    stop: () => zot.stop(),
  };
}

function sink({ url, secret }: Notified): object {
  const credentials = { username: 'entrepot', password: secret };
  return { type: 'http', address: url, timeout: '30s', credentials };
}
