/** A network whose only way out is a squid that wants a password and opens tunnels only. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { createCertificateAuthority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { get } from '../support/http-client.ts';
import { startEntrepot } from '../support/processes.ts';
import { place } from './support/client.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import type { Image } from './support/images.ts';
import { startOrigin } from './support/origin.ts';
import { openSite, type Site } from './support/site.ts';
import { skopeo } from './support/skopeo.ts';
import { type Squid, startSquid } from './support/squid.ts';

const account = { username: 'joe', password: 'only:for tests' };
const name = 'origin.corp.test';

describe('through Entrepot, behind a squid', () => {
  let site: Site;
  let squid: Squid;
  let image: Image;
  let port: string;
  let ca: string;

  before(async () => {
    if (obstacle(['squid']) !== undefined) return;
    site = await openSite();
    const env = site.resident(site.folder('origin-home'));
    const authority = createCertificateAuthority();
    const tls = authority.issue({ hosts: [name, '127.0.0.1'] });
    ca = authority.cert;
    const origin = site.own(await startOrigin(site.folder('origin'), env, { tls }));
    port = origin.host.split(':')[1] ?? '';
    image = await site.images.image('squid');
    await origin.push(image, 'team/app-skopeo', '1');
    squid = site.own(await startSquid(env, { account, names: { [name]: '127.0.0.1' } }));
  });
  after(() => site?.close());

  /** An Entrepot that is told of the squid by its environment or by entrepot.toml. */
  async function entrepot(t: TestContext, how: { env?: Record<string, string>; toml?: string }) {
    const home = site.folder('entrepot');
    const location = `${name}:${port}`;
    place(join(home, '.config/containers/certs.d', location, 'ca.crt'), ca);
    const registries = place(
      join(home, 'registries.conf'),
      `[[registry]]\nprefix = "quay.io"\nlocation = "${location}"\n`,
    );
    const config = place(join(home, 'entrepot.toml'), how.toml ?? '');
    const args = ['--registries', registries, '--config', config, '--data', join(home, 'data')];
    const inherit = ['PATH'];
    const running = await startEntrepot({ args, env: { ...site.resident(home), ...how.env }, inherit });
    t.after(() => running.stop());
    return running;
  }

  const url = (password: string) =>
    `http://${account.username}:${encodeURIComponent(password)}@${squid.host}`;

  test('skopeo pulls what was pushed, through HTTPS_PROXY', async (t) => {
    if (!isEquipped(t, ['squid'])) return;
    const running = await entrepot(t, { env: { HTTPS_PROXY: url(account.password) } });
    const { host } = running;
    const folder = site.folder('skopeo');
    const env = site.resident(folder);
    const order = { image: 'quay.io/team/app-skopeo:1', entrepot: host, folder, env };
    const pulled = await skopeo.pull(order);
    assert.deepEqual(pulled, { digest: image.digest, layers: image.layers });
    // Squid writes of a tunnel when it is closed.
    await running.stop();
    await eventually('squid has seen the tunnels', () => squid.log().length > 0);
    const tunnels = new Set(squid.log());
    assert.deepEqual([...tunnels], [`TCP_TUNNEL/200 CONNECT ${name}:${port} ${account.username}`]);
  });

  test('the proxy of one host in entrepot.toml does as well', async (t) => {
    if (!isEquipped(t, ['squid'])) return;
    const toml = `[[upstream.host]]\nhost = "${name}:${port}"\nproxy = "${url(account.password)}"\n`;
    const { url: proxy } = await entrepot(t, { toml });
    assert.equal((await get(`${proxy}/v2/quay.io/team/app-skopeo/manifests/1`)).status, 200);
  });

  test('a wrong password is told as the proxy’s refusal, and is in no log', async (t) => {
    if (!isEquipped(t, ['squid'])) return;
    const running = await entrepot(t, { env: { https_proxy: url('something else') } });
    const answer = await get(`${running.url}/v2/quay.io/team/app-skopeo/manifests/1`);
    assert.equal(answer.status, 502);
    assert.match(answer.body.toString(), /the proxy \S+ refused \(HTTP 407\)/);
    await running.stop();
    assert.doesNotMatch(`${running.stdout}${running.stderr}`, /something(?: |%20)else/);
  });

  test('a registry without TLS cannot be reached through it, and that is told', async (t) => {
    if (!isEquipped(t, ['squid'])) return;
    const toml = `[upstream]\ninsecure = true\n[[upstream.host]]\nhost = "${name}:1"\nproxy = "${url(account.password)}"\n`;
    const home = site.folder('entrepot');
    const registries = place(join(home, 'registries.conf'), `[[registry]]\nlocation = "${name}:1"\n`);
    const config = place(join(home, 'entrepot.toml'), toml);
    const running = await startEntrepot({
      args: ['--registries', registries, '--config', config, '--data', join(home, 'data')],
      env: site.resident(home),
      inherit: ['PATH'],
    });
    t.after(() => running.stop());
    const answer = await get(`${running.url}/v2/${name}:1/team/app/manifests/1`);
    assert.equal(answer.status, 502);
    assert.match(answer.body.toString(), /HTTP 403|the proxy refused \(HTTP 503\)/);
  });
});
