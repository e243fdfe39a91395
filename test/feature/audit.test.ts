/** The audit log of a whole server: what clients pulled, pushed and deleted, and what they were denied. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { basic, secretImage, startGuarded } from '../support/access.ts';
import { eventually } from '../support/eventually.ts';
import { imageManifest, pusher, sha256 } from '../support/pusher.ts';
import { type Cleanup, tempFolder } from '../support/temp-folder.ts';

interface Line {
  readonly [field: string]: unknown;
}

/** A guarded mirror with an audit log. `lines` waits until there are so many. */
async function startAudited(t: Cleanup, settings = '', rules = '') {
  const file = join(tempFolder(t), 'audit.log');
  const more = `${rules}\n[audit]\nfile = ${JSON.stringify(file)}\n${settings}`;
  const guarded = await startGuarded(t, { more });
  const read = (): Line[] =>
    existsSync(file)
      ? readFileSync(file, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as Line)
      : [];
  const lines = (count: number) =>
    eventually(`${count} lines of the audit log`, () => (read().length >= count ? read() : undefined));
  return { ...guarded, file, more, lines };
}

const brief = ({ action, outcome, principal, image, tag, kind, status }: Line) =>
  [action, outcome, principal, image, tag ?? null, kind ?? null, status ?? null].join(' ').trim();

describe('the audit log', () => {
  it('has a line for each manifest that a client pulls, with its digest, and none for blobs and HEADs', async (t) => {
    const { get, as, lines, proxy } = await startAudited(t);
    const path = '/v2/ex.test/team/secret';
    await get(`${path}/manifests/1`, { ...as('ann'), method: 'HEAD' });
    await get(`${path}/blobs/${secretImage.layers[0]?.digest}`, as('ann'));
    const pulled = await get(`${path}/manifests/1`, as('ann'));
    const [line] = await lines(1);
    const { time, id, ...rest } = line as Line;
    assert.ok(!Number.isNaN(Date.parse(String(time))));
    assert.equal(id, pulled.headers['x-request-id']);
    assert.deepEqual(rest, {
      ...{
        action: 'pull',
        outcome: 'done',
        client: '127.0.0.1',
        image: 'ex.test/team/secret',
        kind: 'manifest',
      },
      ...{ tag: '1', digest: secretImage.digest, status: 200, bytes: pulled.body.length },
      ...{ principal: 'ann', principal_kind: 'account' },
    });
    await proxy.stop();
    assert.equal((await lines(1)).length, 1);
  });

  it('has pulls of blobs where that is wanted, and pushes and deletions', async (t) => {
    const { proxy, lines } = await startAudited(t, 'blobs = true');
    const name = 'ex.test/team/new';
    const client = pusher(proxy.url, name, basic('ann', 'ann-secret-1'));
    await client.blob('{}');
    const layer = await client.blob('a layer');
    const manifest = imageManifest(['{}', 'a layer']);
    await client.manifest('v1', manifest);
    await client.send('GET', `blobs/${layer}`);
    await client.send('DELETE', 'manifests/v1');
    const found = await lines(5);
    assert.deepEqual(found.map(brief), [
      `push done ann ${name}  blob 201`,
      `push done ann ${name}  blob 201`,
      `push done ann ${name} v1 manifest 201`,
      `pull done ann ${name}  blob 200`,
      `delete done ann ${name} v1 manifest 202`,
    ]);
    assert.equal(found[1]?.digest, layer);
    assert.equal(found[2]?.digest, sha256(JSON.stringify(manifest)));
  });

  it('has what was denied, and not what only asks a client to log in', async (t) => {
    const { get, as, lines } = await startAudited(t);
    const secret = '/v2/ex.test/team/secret/manifests/1';
    await get(secret);
    await get(secret, as('bob'));
    await get(secret, { headers: basic('ann', 'guessed') });
    await get('/v2/ex.test/team/secret/blobs/uploads/', { ...as('bob'), method: 'POST' });
    const found = await lines(3);
    assert.deepEqual(found.map(brief), [
      'pull denied bob ex.test/team/secret 1 manifest 404',
      'pull denied     401',
      'push denied bob ex.test/team/secret  blob 403',
    ]);
    assert.ok(!JSON.stringify(found).includes('guessed'));
  });

  it('has what administrators change, by the API and the dashboard, and which clients may not', async (t) => {
    const admin = '[[access.rule]]\nwho = ["ann"]\nmatch = "**"\nmay = ["administer"]';
    const { get, as, lines } = await startAudited(t, '', admin);
    const post = (path: string, body: string, type: string, headers: object) =>
      get(path, { method: 'POST', body, headers: { ...headers, 'content-type': type } });
    const pin = JSON.stringify({ what: 'ex.test/team/**' });
    await post('/api/v1/pin', pin, 'application/json', as('ann').headers);
    await post('/api/v1/pin', JSON.stringify({ what: '' }), 'application/json', as('ann').headers);
    await post('/api/v1/pin', pin, 'application/json', as('bob').headers);
    const form = 'what=ex.test%2Fteam%2F**';
    await post('/ui/disk/unpin', form, 'application/x-www-form-urlencoded', as('ann').headers);
    const pull = (reference: string) =>
      post('/api/v1/pull', JSON.stringify({ reference }), 'application/json', as('ann').headers);
    await pull('ex.test/public/app:1');
    await pull('ex.test/public/app:none');
    const found = await lines(6);
    assert.deepEqual(
      found.map(({ action, outcome, principal, command, about, client }) =>
        [action, outcome, principal, command, about ?? null, client].join(' '),
      ),
      [
        'change done ann pin ex.test/team/** 127.0.0.1',
        'change failed ann pin  127.0.0.1',
        'change denied bob /api/v1/pin  127.0.0.1',
        'change done ann disk unpin ex.test/team/** 127.0.0.1',
        'change done ann pull ex.test/public/app:1 127.0.0.1',
        'change failed ann pull ex.test/public/app:none 127.0.0.1',
      ],
    );
  });

  it('is opened anew by a reload, which is a line itself', async (t) => {
    const { proxy, toml, file, get, as, lines } = await startAudited(t);
    const other = `${file}.2`;
    await proxy.reload({ toml: toml.replace(file, other) });
    await get('/v2/ex.test/public/app/manifests/1', as('bob'));
    await eventually(
      'two lines',
      () => existsSync(other) && readFileSync(other, 'utf8').split('\n').length > 2,
    );
    const found = readFileSync(other, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
    assert.deepEqual([found[0]?.action, found[0]?.command, found[0]?.outcome], ['change', 'reload', 'done']);
    assert.equal(found[1]?.image, 'ex.test/public/app');
    await assert.rejects(proxy.reload({ toml: toml.replace(file, '/proc/none/audit') }), {
      code: 'OUTPUT_UNUSABLE',
    });
    assert.deepEqual(await lines(0), []);
  });
});
