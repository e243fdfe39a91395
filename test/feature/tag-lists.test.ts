/** Tag lists: joined from upstream's pages, paged anew for the client, kept as long as a tag is fresh. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { holdHeaders } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get as getUrl, type HttpAnswer, json } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { cacheOf, type MirroredOptions, startMirrored } from '../support/mirrored-registry.ts';

const image = buildImage();
const minute = 60_000;
const names = ['1.0', '1.1', '1.10', '2.0', 'latest', 'v3'];

async function tagged(t: TestContext, options: MirroredOptions = {}) {
  const mirrored = await startMirrored(t, options);
  for (const name of names) mirrored.registry.putImage('team/app', name, image);
  return { ...mirrored, list: (query = '') => mirrored.get('team/app', `tags/list${query}`) };
}

function tagsIn(answer: HttpAnswer): string[] {
  assert.equal(answer.status, 200);
  return (json(answer) as { tags: string[] }).tags;
}

describe('a tag list', () => {
  it('is fetched once for all who ask, then fresh for freshness.tag', async (t) => {
    const { registry, clock, list } = await tagged(t);
    const hold = gate();
    registry.on({ kind: 'tags' }, holdHeaders(hold));
    const waiting = [list(), list(), list()];
    await hold.arrived;
    hold.release();
    for (const answer of await Promise.all(waiting)) assert.deepEqual(tagsIn(answer), names);
    assert.equal(cacheOf(await list()), 'hit');
    assert.equal(registry.count({ kind: 'tags' }), 1);

    registry.putImage('team/app', 'v4', image);
    await clock.advance(minute);
    assert.deepEqual(tagsIn(await list()), [...names, 'v4']);
  });

  it('is whole, whatever pages the registry gives it in', async (t) => {
    const { registry, list } = await tagged(t, { upstream: { tagsPerPage: 2 } });
    assert.deepEqual(tagsIn(await list()), names);
    assert.equal(registry.count({ kind: 'tags' }), 3);
  });

  it('is given in pages of the size that the client wants, by links that it can follow', async (t) => {
    const { registry, proxy, list } = await tagged(t);
    const seen: string[] = [];
    let answer = await list('?n=4');
    for (let pages = 1; ; pages += 1) {
      seen.push(...tagsIn(answer));
      const link = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1];
      if (link === undefined) {
        assert.equal(pages, 2);
        break;
      }
      answer = await getUrl(`${proxy.url}${link}`);
    }
    assert.deepEqual(seen, names);
    assert.deepEqual(tagsIn(await list('?last=1.10')), ['2.0', 'latest', 'v3']);
    assert.deepEqual(tagsIn(await list('?n=0')), []);
    assert.equal(registry.count({ kind: 'tags' }), 1);
  });

  it('names the repository as the client did', async (t) => {
    const { registry, proxy } = await tagged(t);
    const answer = await getUrl(`${proxy.url}/v2/team/app/tags/list?ns=${registry.host}`);
    assert.equal((json(answer) as { name: string }).name, 'team/app');
    assert.equal(answer.headers['oci-namespace'], registry.host);
  });

  it('is stale, in pages too, when nobody answers', async (t) => {
    const { registry, clock, list } = await tagged(t);
    await list();
    await registry.refuse();
    await clock.advance(minute);
    const page = await list('?n=2');
    assert.deepEqual([cacheOf(page), tagsIn(page)], ['stale', ['1.0', '1.1']]);
    assert.match(String(page.headers.link), /last=1\.1/);
  });

  it('goes when the registry says that there is no such repository', async (t) => {
    const { registry, clock, list } = await tagged(t);
    await list();
    registry.on({ kind: 'tags' }, { answer: (answer) => ({ ...answer, status: 404 }) });
    await clock.advance(minute);
    assert.equal((await list()).status, 404);
    await registry.refuse();
    await clock.advance(minute);
    assert.equal((await list()).status, 502);
  });
});
