/** A registry whose certificate nobody vouches for: refused, and said why, unless the endpoint is marked insecure. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { selfSigned } from '../support/certificates.ts';
import { get, json } from '../support/http-client.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped } from './support/equipment.ts';
import { everyClientPulls } from './support/every-client.ts';
import { startOrigin } from './support/origin.ts';
import { run } from './support/programs.ts';
import { openSite } from './support/site.ts';

const entry = (prefix: string, location: string, insecure: boolean) => `
[[registry]]
prefix = "${prefix}"
location = "${location}"
insecure = ${insecure}
`;

test('a self-signed certificate is refused, and the error names it', async (t) => {
  if (!isEquipped(t)) return;
  const site = await openSite();
  t.after(() => site.close());
  const home = site.folder('entrepot');
  const env = site.resident(home);
  const origin = site.own(await startOrigin(site.folder('origin'), env, { tls: selfSigned() }));
  await origin.push(await site.images.image('refused'), 'team/app', '1');
  const registries = entry('quay.io', origin.host, false);
  const entrepot = site.own(await startEntrepot(home, env, { registries }));

  const answer = await get(`${entrepot.url}/v2/quay.io/team/app/manifests/1`);
  assert.equal(answer.status, 502);
  const { errors } = json(answer) as { errors: { message: string; detail: unknown }[] };
  const trail = JSON.stringify(errors[0]?.detail);
  assert.ok(trail.includes(`${origin.host}/team/app`), `the trail names the endpoint: ${trail}`);
  assert.match(trail, /certificate/i);

  // Clients tell only the status of a 5xx, so the reason has to be in the log as well.
  const source = `docker://${entrepot.host}/quay.io/team/app:1`;
  await assert.rejects(run('skopeo', ['inspect', '--tls-verify=false', source], env), /502/);
  await entrepot.line(/certificate/i);
});

everyClientPulls('a self-signed registry that is marked insecure', async (site, _home, env) => {
  const origin = site.own(await startOrigin(site.folder('origin'), env, { tls: selfSigned() }));
  return {
    origin,
    repository: (registry, name) => (registry === 'docker.io' ? `library/${name}` : name),
    files: { registries: entry('docker.io', origin.host, true) + entry('quay.io', origin.host, true) },
  };
});
