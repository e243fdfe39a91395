/**
 * Tokens that Entrepot signs with a key which the registry trusts, as GitLab and its Geo sites do. Distribution 2.8 knows the key by
 * libtrust's fingerprint, distribution 3 by the thumbprint of RFC 7638. What the trail says of each way to be refused.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { systemClock } from '../../src/lib/clock.ts';
import { startApp } from '../support/app.ts';
import { type KeyAndCertificate, selfSigned } from '../support/certificates.ts';
import { isEquipped } from './support/equipment.ts';
import { startOrigin } from './support/origin.ts';
import { openSite } from './support/site.ts';

const service = 'container_registry';
const issuer = 'omnibus-gitlab-issuer';
const manifestType = 'application/vnd.oci.image.manifest.v1+json';

interface Wanted {
  /** Keys of `token` that differ from what is right. */
  readonly token?: Readonly<Record<string, string>>;
  readonly key?: string;
  /** ms that the clock of Entrepot is ahead. */
  readonly ahead?: number;
}

for (const { program, name, kid, otherKid } of [
  { program: 'docker-registry', name: 'distribution 2.8', kid: 'libtrust', otherKid: 'thumbprint' },
  { program: 'registry', name: 'distribution 3', kid: 'thumbprint', otherKid: 'libtrust' },
] as const) {
  describe(`${name}, which trusts a key of Entrepot`, () => {
    const stage = async (t: TestContext, pair: KeyAndCertificate) => {
      const site = await openSite();
      t.after(() => site.close());
      const env = site.resident(site.folder('home'));
      const folder = site.folder('origin');
      // GitLab's registry knows no account: what is there was pushed before it wanted tokens.
      const open = await startOrigin(folder, env, { program });
      await open.push(await site.images.image('signed'), 'group/app', '1');
      await open.stop();
      const trust = { realm: 'https://gitlab.invalid/jwt/auth', service, issuer, certificate: pair.cert };
      const origin = site.own(await startOrigin(folder, env, { program, authority: trust }));

      /** The answer to a GET through an Entrepot of its own. */
      return async ({ token = {}, key = pair.key, ahead = 0 }: Wanted = {}) => {
        const keyFile = join(site.folder('keys'), 'registry.key');
        writeFileSync(keyFile, key);
        const keys = Object.entries({ key_file: keyFile, issuer, audience: service, kid, ...token });
        const inline = keys.map(([name, value]) => `${name} = ${JSON.stringify(value)}`).join(', ');
        const app = await startApp(
          t,
          {
            registries: `[[registry]]\nprefix = "gitlab.corp"\nlocation = "${origin.host}"\ninsecure = true\n`,
            toml: `[[upstream.host]]\nhost = "${origin.host}"\ntoken = { ${inline} }\n[[sync]]\nname = "all"\nsource = "gitlab.corp/**"\n`,
          },
          { clock: { ...systemClock, now: () => Date.now() + ahead } },
        );
        const answer = await fetch(`${app.url}/v2/gitlab.corp/group/app/manifests/1`, {
          headers: { accept: manifestType },
        });
        const body = await answer.text();
        const reason = answer.ok ? '' : (JSON.parse(body).errors[0].detail[0].reason as string);
        return { status: answer.status, body, reason, url: app.url, administration: app.app.administration };
      };
    };

    it('takes its tokens, and gives every blob', async (t) => {
      if (!isEquipped(t, [program])) return;
      for (const keys of ['rsa', 'ec'] as const) {
        const ask = await stage(t, selfSigned({ keys }));
        const { status, body, url } = await ask();
        assert.equal(status, 200, body);
        for (const { digest } of JSON.parse(body).layers) {
          const blob = await fetch(`${url}/v2/gitlab.corp/group/app/blobs/${digest}`);
          assert.equal((await blob.arrayBuffer()).byteLength > 0 && blob.status, 200);
        }
      }
    });

    it('gives its catalogue, and all that it has becomes a replica', async (t) => {
      if (!isEquipped(t, [program])) return;
      const ask = await stage(t, selfSigned({ keys: 'rsa' }));
      const { administration } = await ask();
      const [report] = await administration.sync([], {});
      assert.deepEqual([report?.state, report?.problem], ['done', null]);
      assert.deepEqual(
        report?.repositories.map(({ image, tags, warning }) => [
          image,
          tags.map(({ tag, state }) => `${tag} ${state}`),
          warning,
        ]),
        [['gitlab.corp/group/app', ['1 done'], null]],
      );
    });

    it('refuses other tokens, and the trail says why', async (t) => {
      if (!isEquipped(t, [program])) return;
      const ask = await stage(t, selfSigned({ keys: 'rsa' }));
      const issuerOrKey =
        /it trusts another issuer than token\.issuer = "(.+?)", or it does not know the key "(.+?)" \(RS256/;
      for (const [wanted, expected] of [
        [
          { token: { audience: 'other' } },
          /takes tokens for the audience "container_registry", and token\.audience is "other"$/,
        ],
        [{ token: { issuer: 'gitlab-issuer' } }, issuerOrKey],
        [{ token: { kid: otherKid } }, issuerOrKey],
        [{ key: selfSigned({ keys: 'rsa' }).key }, issuerOrKey],
        [
          { ahead: 600_000 },
          /its clock is \d+ s behind ours, where a new token is not valid yet: set both by NTP$/,
        ],
        [
          { ahead: -600_000 },
          /its clock is \d+ s ahead of ours, where a new token is over: set both by NTP$/,
        ],
      ] as const) {
        const { status, reason } = await ask(wanted);
        assert.equal(status, 502, JSON.stringify(wanted));
        assert.match(
          reason,
          /^refuses a token signed with \S+registry\.key \(entry 127\.0\.0\.1:\d+\): HTTP 401/,
        );
        assert.match(reason, expected, JSON.stringify(wanted));
      }
      // Within the minute that both let a clock be wrong.
      for (const ahead of [45_000, -45_000]) assert.equal((await ask({ ahead })).status, 200);
    });
  });
}
