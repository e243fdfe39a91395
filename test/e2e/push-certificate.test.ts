/** skopeo with a client certificate and a password: it sends the password, and without one it gets what the certificate may. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createCertificateAuthority } from '../support/certificates.ts';
import { place } from './support/client.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped } from './support/equipment.ts';
import { passwordLine } from './support/origin.ts';
import { run } from './support/programs.ts';
import { openSite } from './support/site.ts';

describe('a client with a certificate and an account', () => {
  test('pushes by its password, and pulls by either', async (t) => {
    if (!isEquipped(t)) return;
    const site = await openSite();
    t.after(() => site.close());
    const authority = createCertificateAuthority();
    const home = site.folder('entrepot');
    const env = site.resident(home);
    const account = { username: 'ann', password: 'only:for tests' };
    const server = authority.issue({ hosts: ['127.0.0.1'] });
    const settings = `
[tls]
certificate = "${place(join(home, 'tls.crt'), server.cert)}"
key = "${place(join(home, 'tls.key'), server.key)}"
client_ca = "${place(join(home, 'ca.crt'), authority.cert)}"
[access]
anonymous = []
htpasswd = "${place(join(home, 'htpasswd'), await passwordLine(account, env))}"
[[access.rule]]
who = ["ann"]
match = "images.local/**"
may = ["pull", "push"]
[[access.rule]]
who = ["cn=node-*"]
match = "images.local/open/*"
may = ["pull"]
[[push]]
match = "images.local/**"
mode = "local"
`;
    const { host } = site.own(await startEntrepot(home, env, { registries: '', settings }));
    const image = await site.images.image('pushed');
    const certificates = site.folder('certificates');
    const node = authority.issue({ client: true, commonName: 'node-7' });
    for (const [name, text] of Object.entries({
      'ca.crt': authority.cert,
      'client.cert': node.cert,
      'client.key': node.key,
    }))
      place(join(certificates, name), text);
    const login = `${account.username}:${account.password}`;
    const push = (repository: string, ...more: string[]) =>
      run(
        'skopeo',
        [
          ...['copy', '--quiet', '--dest-cert-dir', certificates, ...more],
          ...[image.source, `docker://${host}/images.local/${repository}:1`],
        ],
        env,
      );
    const digestOf = async (repository: string, ...more: string[]) => {
      const how = ['inspect', '--cert-dir', certificates, ...more, '--format', '{{.Digest}}'];
      return (await run('skopeo', [...how, `docker://${host}/images.local/${repository}:1`], env)).trim();
    };
    for (const repository of ['open/app', 'closed/app']) await push(repository, '--dest-creds', login);
    assert.equal(await digestOf('open/app'), image.digest, 'by its certificate');
    assert.equal(await digestOf('closed/app', '--creds', login), image.digest);
    await assert.rejects(digestOf('closed/app'), /manifest unknown/);
    await assert.rejects(push('open/app'), /denied: cn=node-7 may not push/);
  });
});
