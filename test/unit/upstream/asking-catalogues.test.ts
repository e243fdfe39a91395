/** The catalogue of a registry: pages, names at a mirror, and what a hostile registry may send. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FakeRegistry } from '../../support/fake-registry.ts';
import { endShort, htmlPage, otherBody, status, withHeaders } from '../../support/fake-registry-faults.ts';
import { buildImage } from '../../support/images.ts';
import { good, stage } from './asking.ts';

const app = buildImage();
const isCatalogue = { when: ({ path }: { path: string }) => path === '/v2/_catalog' };
const all = { registry: 'registry.test', under: '' };

describe('asking for a catalogue', () => {
  const { start, ask } = stage(app);

  async function registryOf(...names: readonly string[]): Promise<FakeRegistry> {
    const registry = await start({ catalogue: true, tagsPerPage: 2 });
    for (const name of names) registry.putImage(name, '1', app);
    return registry;
  }

  it('gives the repositories of all pages, without names that are none', async () => {
    const registry = await registryOf('a/b', 'c', 'd/e/f');
    const names = good(await ask([registry]).listRepositories(all)).value;
    for (const name of ['a/b', 'c', 'd/e/f'])
      assert.ok(
        names.some((one) => one === name),
        name,
      );
    registry.on(isCatalogue, otherBody('{"repositories":["ok","../up","UPPER","a//b",7]}'));
    assert.deepEqual(good(await ask([registry]).listRepositories(all)).value, ['ok']);
  });

  it('is an error where a page fails, leads in a circle, or is something else', async () => {
    const registry = await registryOf('a', 'b', 'c');
    const second = {
      when: ({ path, query }: { path: string; query: URLSearchParams }) =>
        path === '/v2/_catalog' && query.has('last'),
    };
    for (const [match, ...faults] of [
      [second, status(500)],
      [second, status(404)],
      [isCatalogue, withHeaders({ link: '</v2/_catalog?n=1000>; rel="next"' })],
      [isCatalogue, withHeaders({ link: 'nonsense; rel="next"' })],
      [isCatalogue, htmlPage()],
      [isCatalogue, otherBody('[]')],
      [isCatalogue, otherBody('{"repositories":{"a":1}}')],
      [isCatalogue, endShort(5)],
      [isCatalogue, status(401)],
      [isCatalogue, status(404)],
    ] as const) {
      const rule = registry.on(match, ...faults);
      assert.equal((await ask([registry]).listRepositories(all)).ok, false);
      rule.remove();
    }
  });

  it('gives names as clients call them, of what an endpoint has below its location', async () => {
    const registry = await registryOf(
      'mirror/team/app',
      'mirror/team/deep/tool',
      'mirror/other',
      'team/hidden',
    );
    const repository = 'mirror/team/entrepot-catalogue-probe';
    const upstream = ask([{ host: registry.host, repository }]);
    const answer = good(await upstream.listRepositories({ registry: 'registry.test', under: 'ours/' }));
    assert.deepEqual(answer.value, ['ours/app', 'ours/deep/tool']);
  });
});
