/** Tag lists: joined from upstream's pages, paged anew for the client, kept as long as a tag is fresh. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { type Answer, jsonAnswer } from '../support/fake-registry-content.ts';
import {
  type Fault,
  holdHeaders,
  htmlPage,
  neverAnswer,
  otherBody,
  status,
  withHeaders,
} from '../support/fake-registry-faults.ts';
import type { SeenRequest } from '../support/fake-registry-journal.ts';
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

  it('goes when the registry says that there is no such repository, and stays away in an outage', async (t) => {
    const { registry, clock, list } = await tagged(t);
    await list();
    const missing = registry.on({ kind: 'tags' }, { answer: (answer) => ({ ...answer, status: 404 }) });
    await clock.advance(minute);
    assert.equal((await list()).status, 404);
    missing.remove();
    await registry.refuse();
    await clock.advance(minute);
    const stale = await list();
    assert.deepEqual([stale.status, cacheOf(stale)], [404, 'stale']);
    assert.match(String(stale.headers.warning), /^299 /);
    assert.match(
      stale.body.toString(),
      /was unknown to every endpoint when it was last asked for: .*refused/,
    );
    await registry.restart();
    await clock.advance(minute);
    assert.deepEqual(tagsIn(await list()), names);
  });

  it('that is not there is a stale 404 at once when a registry falls silent', async (t) => {
    const { registry, clock, list } = await tagged(t);
    registry.on({ kind: 'tags', nth: 1 }, status(404));
    assert.equal((await list()).status, 404);
    registry.on({ kind: 'tags' }, neverAnswer());
    await clock.advance(minute);
    const silent = registry.next({ kind: 'tags' });
    const waiting = list();
    await silent;
    await clock.advance(1200);
    const stale = await waiting;
    assert.deepEqual([stale.status, cacheOf(stale)], [404, 'stale']);
  });

  it('that was never asked for is 502 in an outage, and one that was empty is stale', async (t) => {
    const { registry, clock, get, list } = await tagged(t);
    registry.on({ kind: 'tags', repository: 'team/app' }, otherBody('{"name":"team/app","tags":[]}'));
    assert.deepEqual(tagsIn(await list()), []);
    await registry.refuse();
    await clock.advance(minute);
    assert.equal((await get('team/other', 'tags/list')).status, 502);
    const stale = await list();
    assert.deepEqual([cacheOf(stale), tagsIn(stale)], ['stale', []]);
  });
});

describe('the pages of a tag list', () => {
  const many = Array.from({ length: 30 }, (_, at) => `v${String(at).padStart(2, '0')}`);

  /** A registry that gives its thirty tags in pages of ten. */
  async function paged(t: TestContext, toml = '') {
    const other = await startFakeRegistry();
    t.after(() => other.stop());
    const mirrored = await startMirrored(t, { upstream: { tagsPerPage: 10 }, toml });
    for (const name of many) mirrored.registry.putImage('team/app', name, image);
    return { ...mirrored, other, list: () => mirrored.get('team/app', 'tags/list') };
  }

  /** Changes the target of every link to the next page. */
  function relink(change: (path: string) => string): Fault {
    return {
      answer(answer) {
        const path = /^<([^>]+)>/.exec(String(answer.headers.link ?? ''))?.[1];
        if (path === undefined) return answer;
        return { ...answer, headers: { ...answer.headers, link: `<${change(path)}>; rel="next"` } };
      },
    };
  }

  it('are asked for a thousand tags at a time', async (t) => {
    const { registry, list } = await paged(t);
    await list();
    assert.deepEqual(
      registry.matching({ kind: 'tags' }).map(({ query }) => query.get('n')),
      ['1000', '1000', '1000'],
    );
  });

  it('may take longer than a client waits for a revalidation: its registry is not silent for that', async (t) => {
    const { registry, clock, get, list } = await paged(t);
    await list();
    await get('team/app', 'manifests/v00');
    await clock.advance(minute);
    const hold = gate();
    registry.on({ kind: 'tags', when: ({ query }) => query.get('last') === 'v19' }, holdHeaders(hold));
    const waiting = list();
    await hold.arrived;
    await clock.advance(1200);
    assert.equal(cacheOf(await waiting), 'stale');
    assert.equal(cacheOf(await get('team/app', 'manifests/v00')), 'revalidated');
    hold.release();
  });

  it('are asked for without a number if the registry refuses one', async (t) => {
    const { registry, list } = await paged(t);
    registry.on({ kind: 'tags', when: ({ query }) => query.has('n') }, status(400));
    assert.deepEqual(tagsIn(await list()), many);
  });

  const forms: [string, (path: string) => string][] = [
    ['this host without its port', (path) => `http://127.0.0.1${path}`],
    ['this host with another scheme', (path) => `https://127.0.0.1:1${path}`],
    ['the path that a reverse proxy has cut', (path) => `http://nexus.internal/repository/docker${path}`],
    ['a page that is the first one again', () => '/v2/team/app/tags/list?n=1000'],
    ['nothing that can be read', () => 'http://['],
    ['a path that is not there', () => '/v2/elsewhere'],
  ];
  for (const [what, change] of forms) {
    it(`are all found if the link of each names ${what}`, async (t) => {
      const { registry, list } = await paged(t);
      registry.on({ kind: 'tags' }, relink(change));
      assert.deepEqual(tagsIn(await list()), many);
    });
  }

  it('are all found at the registry itself if each link names another registry, which is not asked', async (t) => {
    const { registry, other, list } = await paged(t);
    other.putImage('team/app', 'stranger', image);
    registry.on(
      { kind: 'tags' },
      relink((path) => `${other.url}${path}`),
    );
    assert.deepEqual(tagsIn(await list()), many);
    assert.equal(registry.count({ kind: 'tags' }), 3);
    assert.equal(other.count(), 0);
  });

  it('end with the last one of a registry that sends a link with every page', async (t) => {
    const { registry, list } = await paged(t);
    const always = {
      answer: (answer: Answer, { query }: SeenRequest) => {
        const link = `</v2/team/app/tags/list?last=${query.get('last') === null ? 'v09' : 'v29'}>; rel="next"`;
        return { ...answer, headers: { link, ...answer.headers } };
      },
    };
    registry.on({ kind: 'tags' }, always);
    assert.deepEqual(tagsIn(await list()), many);
  });

  it('are never passed off as the whole list if the next one cannot be had', async (t) => {
    const { registry, list } = await paged(t);
    const first = registry.on(
      { kind: 'tags', nth: 1 },
      relink((path) => `http://inner.test${path}`),
    );
    for (const code of [404, 400, 403, 500]) {
      const rest = registry.on({ kind: 'tags', when: ({ query }) => query.has('last') }, status(code));
      const answer = await list();
      assert.equal(answer.status, 502, `${code}`);
      assert.match(answer.body.toString(), new RegExp(`HTTP ${code}`));
      rest.remove();
    }
    assert.equal(first.hits, 1);
  });

  it('are an error if neither link nor "last" leads on', async (t) => {
    const { registry, list } = await paged(t);
    const again = otherBody(JSON.stringify({ name: 'team/app', tags: many.slice(0, 10) }));
    registry.on(
      { kind: 'tags' },
      again,
      withHeaders({ link: '</v2/team/app/tags/list?page=2>; rel="next"' }),
    );
    const answer = await list();
    assert.equal(answer.status, 502);
    assert.match(
      answer.body.toString(),
      /announces more tags, but neither its link nor \\"last\\" leads to them/,
    );
    assert.equal(registry.count({ kind: 'tags' }), 3);
  });

  it('go on after a full one without a link', async (t) => {
    const { registry, list } = await tagged(t);
    const full = Array.from({ length: 2500 }, (_, at) => `t${String(at).padStart(4, '0')}`);
    const noLinks: Fault = {
      answer: (_, { query }) =>
        jsonAnswer(200, {
          name: 'team/app',
          tags: full.filter((tag) => tag > (query.get('last') ?? '')).slice(0, Number(query.get('n'))),
        }),
    };
    registry.on({ kind: 'tags' }, noLinks);
    assert.deepEqual(tagsIn(await list()), full);
    assert.equal(registry.count({ kind: 'tags' }), 3);
  });

  it('end with a full one if the registry knows no "last"', async (t) => {
    const full = Array.from({ length: 1000 }, (_, at) => `t${at}`).sort();
    for (const then of [[], [status(400)], [status(404)]]) {
      const { registry, list } = await tagged(t);
      const whole = otherBody(JSON.stringify({ name: 'team/app', tags: full }));
      registry.on({ kind: 'tags', when: ({ query }) => query.has('last') }, whole, ...then);
      registry.on({ kind: 'tags' }, whole);
      assert.deepEqual(tagsIn(await list()), full);
    }
  });
});

describe('the answer to a tag list', () => {
  const empty: [string, string][] = [
    ['null for its tags', '{"name":"team/app","tags":null}'],
    ['no tags', '{"name":"team/app"}'],
    ['nothing at all', '{}'],
    ['an empty list', '{"name":"team/app","tags":[]}'],
  ];
  for (const [what, body] of empty) {
    it(`with ${what} is an empty list`, async (t) => {
      const { registry, list } = await tagged(t);
      registry.on({ kind: 'tags' }, otherBody(body));
      assert.deepEqual(tagsIn(await list()), []);
    });
  }

  const odd: [string, string, RegExp][] = [
    ['a catalog', '{"repositories":["a","b"]}', /sent no tag list, but JSON with \\"repositories\\"/],
    [
      'an error with status 200',
      '{"errors":[{"code":"DENIED","message":"log in first"}]}',
      /sent no tag list, but an error \(DENIED: log in first\)/,
    ],
    ['a page of another API', '{"count":1,"results":[{"name":"1"}]}', /JSON with \\"count\\", \\"results\\"/],
    ['tags that are no array', '{"name":"a","tags":{"1":{}}}', /whose \\"tags\\" are no array/],
    ['tags that are objects', '{"name":"a","tags":[{"name":"1"}]}', /whose entries are no text/],
    ['a bare array', '["1","2"]', /sent a tag list that is no JSON object/],
    ['text', 'hello', /sent a tag list that is no JSON/],
    ['nothing', '', /sent a tag list that is no JSON/],
    [
      'deep JSON',
      `{"name":"a","x":${'['.repeat(5000)}${']'.repeat(5000)}}`,
      /nested more than 100 levels deep/,
    ],
  ];
  for (const [what, body, reason] of odd) {
    it(`with ${what} is an error that says so`, async (t) => {
      const { registry, list } = await tagged(t);
      registry.on({ kind: 'tags' }, otherBody(body));
      const answer = await list();
      assert.equal(answer.status, 502);
      assert.match(answer.body.toString(), reason);
    });
  }

  it('that is called a web page is a list', async (t) => {
    const { registry, list } = await tagged(t);
    registry.on(
      { kind: 'tags' },
      otherBody('{"name":"team/app","tags":["1"]}'),
      withHeaders({ 'content-type': 'text/html' }),
    );
    assert.deepEqual(tagsIn(await list()), ['1']);
  });

  it('that is a web page is told as one', async (t) => {
    const { registry, list } = await tagged(t);
    registry.on({ kind: 'tags' }, htmlPage());
    assert.match((await list()).body.toString(), /sent a web page/);
  });
});
