import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hono } from 'hono';
import type { Administration } from '../../../../src/admin/administration.ts';
import type { AdministeredEnv } from '../../../../src/admin/administrator.ts';
import { type AdminApiDeps, createAdminApi } from '../../../../src/http/admin/admin-api.ts';
import { systemClock } from '../../../../src/lib/clock.ts';

type Commands = AdminApiDeps['administration'];
const silent = { info() {}, error() {} };

/** The API over these commands, for an administrator. */
function apiOf(administration: Commands, log: AdminApiDeps['log'] = silent) {
  const app = new Hono<AdministeredEnv>();
  app.use(async (c, next) => {
    c.set('administrator', { name: 'root', by: 'socket', mayChange: true });
    await next();
  });
  const none = { status: {} } as AdminApiDeps;
  return app.route('/', createAdminApi({ ...none, clock: systemClock, administration, log }));
}

test('a client that does not read costs a bounded number of lines, and still gets the report', async () => {
  const report = { checked: 1, bytes: 1, damaged: [], unreadable: [] };
  const scrub: Administration['scrub'] = async (_, { onProgress }) => {
    for (let done = 0; done < 100_000; done += 1) onProgress?.({ size: 100_000, done });
    return report;
  };
  const administration = { scrub } as Commands;
  const api = apiOf(administration);
  const answer = await api.request('/scrub', { method: 'POST' });
  const lines = (await answer.text()).trimEnd().split('\n');
  assert.equal(lines.length, 1001);
  assert.deepEqual(JSON.parse(lines.at(-1)!), { report });
});

const listing = (images: AsyncIterable<unknown>) => {
  const administration = { list: () => images } as unknown as Commands;
  const errors: object[] = [];
  const api = apiOf(administration, { info() {}, error: (fields) => errors.push(fields) });
  return { errors, list: () => api.request('/images') };
};

test('a list goes out while it is made, as one JSON array', async () => {
  async function* images() {
    for (let image = 0; image < 10_000; image += 1) yield { image };
  }
  const { list } = listing(images());
  const body = (await list()).body ?? assert.fail('no body');
  const parts = await Array.fromAsync(body, (part: Uint8Array) => Buffer.from(part));
  assert.ok(parts.length > 1);
  const listed = JSON.parse(Buffer.concat(parts).toString()) as { image: number }[];
  assert.deepEqual(
    listed.map(({ image }) => image),
    Array.from({ length: 10_000 }, (_, image) => image),
  );
});

test('an empty list is an empty array', async () => {
  async function* none() {}
  assert.deepEqual(await (await listing(none()).list()).json(), []);
});

test('a list that fails in the middle is broken off, and the log says why', async () => {
  const err = new Error('no disk');
  async function* broken() {
    yield { image: 'a' };
    throw err;
  }
  const { list, errors } = listing(broken());
  const answer = await list();
  await assert.rejects(answer.text());
  assert.deepEqual(errors, [{ event: 'admin.failed', err }]);
});

test('the API can be mounted below another path, and names commands without it', async () => {
  const administration = {
    pins: async () => ({ configured: ['a/**'], added: [] }),
    async purge() {
      throw new Error('no disk');
    },
  } as unknown as Commands;
  const lines: object[] = [];
  const log = { info: (fields: object) => lines.push(fields), error: (fields: object) => lines.push(fields) };
  const app = new Hono();
  app.route('/api/v1', apiOf(administration, log));
  app.get('/other', (c) => c.text('other'));
  const ask = (path: string, body = '') => app.request(path, { method: 'POST', body });
  const pins = await app.request('/api/v1/pins');
  assert.deepEqual(await pins.json(), { configured: ['a/**'], added: [] });
  const failed = await ask('/api/v1/purge', '{"what": "alpine"}');
  assert.deepEqual(lines[0], { event: 'admin.command', command: 'purge', by: 'root', about: 'alpine' });
  assert.deepEqual([failed.status, await failed.json()], [500, { error: { message: 'Error: no disk' } }]);
  const wrong = await ask('/api/v1/purge', '{}');
  assert.equal(wrong.status, 400);
  assert.match(await wrong.text(), /"code":"USAGE"/);
  assert.equal((await ask('/api/v1/nothing')).status, 404);
  assert.equal(await (await app.request('/other')).text(), 'other');
});
