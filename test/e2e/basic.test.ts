/** A registry that wants a user and a password, which auth.json has. */
import { join } from 'node:path';
import { createCertificateAuthority } from '../support/certificates.ts';
import { place } from './support/client.ts';
import { everyClientPulls } from './support/every-client.ts';
import { startOrigin } from './support/origin.ts';

const account = { username: 'robot', password: 'only:for tests' };

everyClientPulls('a registry that wants Basic credentials', async (site, home, env) => {
  const authority = createCertificateAuthority();
  const origin = site.own(await startOrigin(site.folder('origin'), env, { account, tls: authority.issue() }));
  place(join(home, '.config/containers/certs.d', origin.host, 'ca.crt'), authority.cert);
  const auth = Buffer.from(`${account.username}:${account.password}`).toString('base64');
  place(join(home, 'run/containers/auth.json'), JSON.stringify({ auths: { [origin.host]: { auth } } }));
  const entry = (prefix: string) => `[[registry]]\nprefix = "${prefix}"\nlocation = "${origin.host}"\n`;
  return {
    origin,
    repository: (registry, name) => (registry === 'docker.io' ? `library/${name}` : name),
    files: { registries: `${entry('docker.io')}\n${entry('quay.io')}` },
  };
});
