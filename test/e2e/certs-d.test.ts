/** A registry whose certificate is signed by a CA that only certs.d knows. */
import { join } from 'node:path';
import { createCertificateAuthority } from '../support/certificates.ts';
import { place } from './support/client.ts';
import { everyClientPulls } from './support/every-client.ts';
import { startOrigin } from './support/origin.ts';

everyClientPulls('a registry whose CA is in certs.d', async (site, home, env) => {
  const authority = createCertificateAuthority();
  const origin = site.own(await startOrigin(site.folder('origin'), env, { tls: authority.issue() }));
  place(join(home, '.config/containers/certs.d', origin.host, 'ca.crt'), authority.cert);
  const entry = (prefix: string) => `[[registry]]\nprefix = "${prefix}"\nlocation = "${origin.host}"\n`;
  return {
    origin,
    repository: (registry, name) => (registry === 'docker.io' ? `library/${name}` : name),
    files: { registries: `${entry('docker.io')}\n${entry('quay.io')}` },
  };
});
