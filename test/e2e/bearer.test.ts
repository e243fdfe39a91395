/**
 * Registries that want a token: `hub/` gives one to anybody, as Docker Hub does, `quay/` only to an account, which is in
 * auth.json. The token server is another host than the registry, so `token_realms` names it.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { place } from './support/client.ts';
import { everyClientPulls } from './support/every-client.ts';
import { startOrigin } from './support/origin.ts';
import { startTokenAuthority } from './support/token-authority.ts';

const account = { username: 'robot', password: 'only:for tests' };

everyClientPulls('a registry that wants Bearer tokens', async (site, home, env) => {
  const isPublic = (repository: string) => repository.startsWith('hub/');
  const authority = site.own(await startTokenAuthority({ ...account, isPublic }));
  const origin = site.own(await startOrigin(site.folder('origin'), env, { account, authority }));
  const auth = Buffer.from(`${account.username}:${account.password}`).toString('base64');
  place(
    join(home, 'run/containers/auth.json'),
    JSON.stringify({ auths: { [`${origin.host}/quay`]: { auth } } }),
  );
  const entry = (prefix: string, path: string) =>
    `[[registry]]\nprefix = "${prefix}"\nlocation = "${origin.host}/${path}"\ninsecure = true\n`;
  return {
    origin,
    repository: (registry, name) => (registry === 'docker.io' ? `hub/library/${name}` : `quay/${name}`),
    files: {
      registries: `${entry('docker.io', 'hub')}\n${entry('quay.io', 'quay')}`,
      settings: `[upstream]\ntoken_realms = ["${authority.host}"]\n`,
    },
    witness() {
      const pulls = authority.granted.filter(({ scope }) => scope.endsWith(':pull'));
      assert.notEqual(pulls.length, 0);
      for (const { scope, account: holder } of pulls) {
        const expected = scope.startsWith('repository:quay/') ? account.username : undefined;
        assert.equal(holder, expected, `the token for ${scope} was given to ${holder}`);
      }
    },
  };
});
