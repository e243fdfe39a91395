/** DNS that is slow or silent for some names: what that costs the others, and whether an answer that comes late is used. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { ResolveAll } from '../../src/upstream/http/lookups.ts';
import { type AppFiles, startApp } from '../support/app.ts';
import { entry, readError, startRegistry } from '../support/endpoints.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';

const image = buildImage({ layers: [1000] });
const six = [1, 2, 3, 4, 5, 6];

/** A registry behind many names. `resolve` answers for those that begin with "slow" when the test says so. */
async function setUp(t: TestContext, files: Partial<AppFiles> = {}) {
  const registry = await startRegistry(t);
  registry.putImage('team/app', '1', image);
  const held: (() => void)[] = [];
  const asked: string[] = [];
  const resolve: ResolveAll = (hostname, _, callback) => {
    asked.push(hostname);
    const answer = () => callback(null, [{ address: '127.0.0.1', family: 4 }]);
    if (hostname.startsWith('slow')) held.push(answer);
    else answer();
  };
  const hosts = six.flatMap((n) => [`slow-${n}.test:${registry.port}`, `well-${n}.test:${registry.port}`]);
  const registries = hosts.map((host) => entry(host)).join('\n');
  const app = await startApp(t, { registries, ...files }, { resolve, env: { UV_THREADPOOL_SIZE: '16' } });
  return {
    asked,
    answerAll: () => {
      for (const answer of held.splice(0)) answer();
    },
    pull: (name: string) => get(`${app.url}/v2/${name}.test:${registry.port}/team/app/manifests/1`),
  };
}

describe('a DNS server that is silent', () => {
  it('about six names keeps nobody from six others', async (t) => {
    const { pull, answerAll } = await setUp(t);
    const waiting = six.map((n) => pull(`slow-${n}`));
    for (const n of six) assert.equal((await pull(`well-${n}`)).status, 200);
    answerAll();
    assert.deepEqual(
      (await Promise.all(waiting)).map(({ status }) => status),
      six.map(() => 200),
    );
  });

  it('and answers late is not asked again: the next request has its answer', async (t) => {
    const { pull, answerAll, asked } = await setUp(t, { toml: 'upstream.lookup_timeout = "100ms"' });
    const first = readError(await pull('slow-1'));
    assert.equal(first.status, 502);
    assert.match(first.message, /DNS did not answer within 0.1 s/);
    answerAll();
    assert.equal((await pull('slow-1')).status, 200);
    assert.deepEqual(asked, ['slow-1.test']);
  });
});
