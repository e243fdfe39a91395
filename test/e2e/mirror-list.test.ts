/** A mirror that is dead, then a plain-HTTP one, then a source that does not exist: the second must do. */
import { listen } from '../support/listener.ts';
import { everyClientPulls } from './support/every-client.ts';
import { startOrigin } from './support/origin.ts';

everyClientPulls(
  'the second mirror, without TLS, when the first is dead and the source does not exist',
  async (site, _home, env) => {
    const dead = await closedAddress();
    const origin = site.own(await startOrigin(site.folder('origin'), env));
    const entry = (prefix: string, path: string) => `
[[registry]]
prefix = "${prefix}"
location = "nowhere.invalid/${path}"

[[registry.mirror]]
location = "${dead}/${path}"

[[registry.mirror]]
location = "${origin.host}/${path}"
insecure = true
`;
    return {
      origin,
      repository: (registry, name) => (registry === 'docker.io' ? `hub/library/${name}` : `quay/${name}`),
      files: {
        registries: entry('docker.io', 'hub') + entry('quay.io', 'quay'),
        // So that the pulls from the cache alone find their tags out of date, and nobody to ask.
        settings: '[freshness]\ntag = "1s"\n',
      },
    };
  },
);

/** `127.0.0.1:PORT` where somebody listened a moment ago. */
async function closedAddress(): Promise<string> {
  const listener = await listen({}, () => {});
  await listener.close();
  return listener.host;
}
