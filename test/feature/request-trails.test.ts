/** What one request went through is told where people look: in its line of the log, and in the client's own message. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { entry, readError, startRegistry } from '../support/endpoints.ts';
import { redirect, status } from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { startMirrored } from '../support/mirrored-registry.ts';
import { raw } from '../support/raw-http.ts';

const image = buildImage();
const layer = image.layers[0]?.digest;

describe('the line of a request in the log', () => {
  it('has the trail of a fallback that succeeded, at level info, and no other line has it', async (t) => {
    const wrongPassword = await startRegistry(t, {
      auth: { kind: 'basic', username: 'joe', password: 'right' },
    });
    const dead = await startRegistry(t);
    await dead.stop();
    const source = await startRegistry(t);
    source.putImage('team/app', '1', image);
    const registries = entry('ex.test', {
      mirrors: [wrongPassword.host, dead.host],
      source: source.host,
    });
    const auth = Buffer.from('joe:hunter2').toString('base64');
    const authJson = JSON.stringify({ auths: { [wrongPassword.host]: { auth } } });
    const proxy = await startApp(t, { registries, authJson }, { clock: createManualClock() });
    // The blob first: once the manifest is here, its blobs are asked for where it came from.
    for (const path of [`blobs/${layer}`, 'manifests/1']) {
      assert.equal((await get(`${proxy.url}/v2/ex.test/team/app/${path}`)).status, 200);
      const line = proxy.log.findLast(({ level }) => level === 'info');
      assert.deepEqual([line?.msg, line?.cache], ['request', 'fetched']);
      const trail = line?.trail as { endpoint: string; outcome: string; reason?: string }[];
      assert.deepEqual(
        trail.map(({ endpoint, outcome }) => `${endpoint} ${outcome}`),
        [
          `${wrongPassword.host}/team/app unauthorized`,
          `${dead.host}/team/app unreachable`,
          `${source.host}/team/app ok`,
        ],
      );
      assert.equal(trail[1]?.reason, 'connection refused');
    }
    assert.doesNotMatch(JSON.stringify(proxy.log), /hunter2/);
  });

  it('has no trail where the first endpoint answered, nor where the cache did', async (t) => {
    const source = await startRegistry(t);
    source.putImage('team/app', '1', image);
    const proxy = await startApp(t, { registries: entry('ex.test', { source: source.host }) });
    for (const cache of ['fetched', 'hit']) {
      await get(`${proxy.url}/v2/ex.test/team/app/manifests/1`);
      const line = proxy.log.findLast(({ msg }) => msg === 'request');
      assert.deepEqual([line?.cache, line?.trail], [cache, undefined]);
    }
  });
});

describe('the log at level debug', () => {
  it('has each attempt: endpoint, outcome, time, where it was redirected, and the credentials that were used', async (t) => {
    const cdn = await startRegistry(t);
    const source = await startRegistry(t, { auth: { kind: 'basic', username: 'joe', password: 'hunter2' } });
    source.putImage('team/app', '1', image);
    cdn.putImage('team/app', '1', image);
    source.on({ kind: 'blob' }, redirect(`${cdn.url}/v2/team/app/blobs/${layer}?signature=hunter2`));
    const auth = Buffer.from('joe:hunter2').toString('base64');
    const authJson = JSON.stringify({ auths: { [source.host]: { auth } } });
    const proxy = await startApp(t, { registries: entry('ex.test', { source: source.host }), authJson });
    for (const path of ['manifests/1', `blobs/${layer}`]) {
      assert.equal((await get(`${proxy.url}/v2/ex.test/team/app/${path}`)).status, 200);
    }
    const attempts = proxy.log.filter(({ msg }) => msg === 'asked an endpoint');
    const credentials = { file: `${proxy.folder}/auth.json`, key: source.host };
    const expected = { level: 'debug', endpoint: `${source.host}/team/app`, outcome: 'ok', credentials };
    assert.deepEqual(
      attempts.map(({ level, endpoint, outcome, redirectedTo, credentials }) => ({
        ...{ level, endpoint, outcome, credentials },
        ...(redirectedTo !== undefined && { redirectedTo }),
      })),
      [expected, { ...expected, redirectedTo: cdn.host }],
    );
    for (const { ms } of attempts) assert.equal(typeof ms, 'number');
    assert.doesNotMatch(JSON.stringify(proxy.log), /hunter2/);
  });
});

describe('the cache at level debug', () => {
  it('says what became of a tag that was past its freshness, and whether anything was asked', async (t) => {
    const {
      registry,
      proxy,
      get: pull,
    } = await startMirrored(t, {
      toml: '[freshness]\ntag = "0s"\n',
    });
    registry.putImage('team/app', '1', image);
    await pull('team/app', 'manifests/1');
    await pull('team/app', 'manifests/1');
    registry.on({}, status(500));
    await pull('team/app', 'manifests/1');
    await pull('team/app', 'manifests/1');
    const lines = proxy.log.filter(({ msg }) => msg === 'a tag was past its freshness');
    assert.deepEqual(
      lines.map(({ level, tag, became, asked }) => [level, tag, became, asked]),
      [
        ['debug', '1', 'revalidated', true],
        ['debug', '1', 'stale', true],
        ['debug', '1', 'stale', false],
      ],
    );
  });
});

describe('the words of a 502', () => {
  it('say that every endpoint refused, where each was asked and did', async (t) => {
    const [mirror, source] = [await startRegistry(t), await startRegistry(t)];
    for (const registry of [mirror, source]) registry.on({}, status(403));
    const registries = entry('ex.test', { mirrors: [mirror.host], source: source.host });
    const proxy = await startApp(t, { registries });
    const { status: code, message } = readError(await get(`${proxy.url}/v2/ex.test/team/app/manifests/1`));
    assert.equal(code, 502);
    assert.match(message, /is not cached, and every endpoint refused it: /);
    assert.ok(message.includes(`${mirror.host}/team/app denied (HTTP 403`), message);
    assert.ok(message.includes(`${source.host}/team/app denied (HTTP 403`), message);
  });

  it('say so in the reason phrase too, with the id that the log has', async (t) => {
    const [mirror, source] = [await startRegistry(t), await startRegistry(t)];
    await mirror.stop();
    source.on({}, status(403));
    const registries = entry('ex.test', { mirrors: [mirror.host], source: source.host });
    const proxy = await startApp(t, { registries });
    const path = '/v2/ex.test/team/app/manifests/1';
    const text = await raw(proxy.url, `HEAD ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    const [statusLine = ''] = text.split('\r\n');
    const id = String(proxy.log.findLast(({ msg }) => msg === 'request')?.id);
    assert.match(id, /^[0-9a-f]{12}$/);
    assert.ok(statusLine.startsWith('HTTP/1.1 502 Bad Gateway (ex.test/team/app: '), statusLine);
    assert.ok(statusLine.includes(`${mirror.host} connection refused; ${source.host} HTTP 403`), statusLine);
    assert.ok(statusLine.endsWith(`; id ${id})`), statusLine);
  });
});
