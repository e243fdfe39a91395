/**
 * No secret leaves the program but to the one it is for: whatever it prints, logs, answers or counts is searched for every
 * password and token that it knew, in all the forms that they travel in.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { entry, startRegistry } from '../support/endpoints.ts';
import { redirect, status } from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { runEntrepot, startEntrepot } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { startTokenServer } from '../support/token-server.ts';

const secrets = {
  good: 'alpha+Good/secret:1',
  wrong: 'bravo+Wrong/secret:2',
  file: 'charlie+File/secret:3',
  identity: 'delta+Identity/secret=4',
  proxy: 'echo+Proxy/secret:5',
  signature: 'foxtrotSignature6',
  client: 'golfClientOwn7',
};

function forms(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  // Without the last characters, which depend on what follows; and as the tail of `user:secret`, for each length of user.
  const inBase64 = [0, 1, 2].map((shift) => {
    const padded = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
    return padded.slice(shift === 0 ? 0 : 4, -4);
  });
  return [secret, encodeURIComponent(secret), ...inBase64];
}

describe('secrets', () => {
  it('are in no log line, answer, metric or explanation', async (t) => {
    const accounts = { joe: { password: secrets.good, identityToken: secrets.identity } };
    const tokens = await startTokenServer({ accounts });
    t.after(() => tokens.stop());
    const image = buildImage();
    const basic = { kind: 'basic', username: 'joe', password: secrets.good } as const;
    const bearer = { kind: 'bearer', tokens } as const;
    const registries = {
      wrong: await startRegistry(t, { auth: basic }),
      file: await startRegistry(t, { auth: basic }),
      identity: await startRegistry(t, { auth: bearer }),
      signed: await startRegistry(t),
      good: await startRegistry(t, { auth: bearer }),
    };
    const { wrong, file, identity, signed, good } = registries;
    identity.on({ kind: 'manifest' }, status(500));
    signed.on({}, redirect(`http://127.0.0.1:1/gone?X-Signature=${secrets.signature}`));
    good.putImage('team/app', '1', image);
    const proxy = await startConnectProxy(t, { username: 'joe', password: 'another' });

    const home = tempFolder(t);
    const place = (name: string, text: string): string => {
      const path = join(home, name);
      writeFileSync(path, text);
      return path;
    };
    const mirrors = [wrong, file, identity, signed].map(({ host }) => host);
    const proxied = 'proxied.test:5000';
    const conf = place(
      'registries.conf',
      entry('ex.test', { mirrors: [...mirrors, proxied], source: good.host, secure: [proxied] }),
    );
    const toml = `[[upstream.host]]
host = "${file.host}"
username = "joe"
password_file = "${place('password', secrets.file)}"
[[upstream.host]]
host = "${identity.host}"
identity_token_file = "${place('identity', secrets.identity)}"
[[upstream.host]]
host = "${proxied}"
proxy = "http://joe:${encodeURIComponent(secrets.proxy)}@127.0.0.1:${proxy.port}"
`;
    mkdirSync(join(home, '.docker'));
    const auth = (password: string) => ({ auth: Buffer.from(`joe:${password}`).toString('base64') });
    const auths = { [wrong.host]: auth(secrets.wrong), [good.host]: auth(secrets.good) };
    place('.docker/config.json', JSON.stringify({ auths }));
    const files = ['--registries', conf, '--config', place('entrepot.toml', toml)];
    const options = { env: { HOME: home }, cwd: home };

    const entrepot = await startEntrepot({ args: [...files, '--log-level', 'debug'], ...options });
    t.after(async () => {
      await entrepot.stop();
    });
    const written: string[] = [];
    const headers = { authorization: `Bearer ${secrets.client}` };
    const paths = ['manifests/1', 'manifests/2', `blobs/${image.layers[0]?.digest}`, 'tags/list?n=x'];
    const statuses: number[] = [];
    for (const path of [...paths, `manifests/3?token=${secrets.client}`]) {
      const answer = await get(`${entrepot.url}/v2/ex.test/team/app/${path}`, { headers });
      statuses.push(answer.status);
      written.push(JSON.stringify(answer.headers));
      if (path !== paths[2]) written.push(answer.body.toString());
    }
    assert.deepEqual(statuses, [200, 502, 200, 400, 502]);
    written.push((await get(`${entrepot.url}/metrics`)).body.toString());
    await entrepot.stop();
    written.push(entrepot.stdout, entrepot.stderr);
    for (const more of [[], ['--json'], ['--probe'], ['--probe', '--json']]) {
      const explained = await runEntrepot(['explain', 'ex.test/team/app:1', ...more, ...files], options);
      assert.notEqual(explained.stdout, '');
      written.push(explained.stdout, explained.stderr);
    }
    const checked = await runEntrepot(['check', ...files], options);
    written.push(checked.stdout, checked.stderr);

    const text = written.join('\n');
    for (const [name, secret] of Object.entries(secrets)) {
      for (const form of forms(secret)) assert.ok(!text.includes(form), `${name}: ${form} is in ${text}`);
    }
    assert.match(text, /refuses the credentials of [^ ]+config\.json/, 'whose they were is told');
    assert.match(text, /the proxy \S+ refused \(HTTP 407\)/);
    assert.equal(
      entrepot.stdout.match(new RegExp(`${wrong.host} is marked insecure: its credentials`, 'g'))?.length,
      1,
      'and that they go over insecure ways is said once at the start',
    );
  });
});
