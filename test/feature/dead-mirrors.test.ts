/** Thirteen mirrors before the good one, each bad in its own way: what they cost the first pull, and those after it. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { startBlackHole } from '../support/black-hole.ts';
import { createCertificateAuthority, expired } from '../support/certificates.ts';
import { entry, readError, startRegistry } from '../support/endpoints.ts';
import { type Fault, htmlPage, rateLimited, redirect, status } from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';

async function blackHole(t: TestContext, accepts: boolean): Promise<string> {
  const hole = await startBlackHole({ accepts });
  t.after(() => hole.stop());
  return hole.host;
}

/** A registry that has the image under no tag, and does this to every request for a manifest. */
async function badRegistry(t: TestContext, fault: Fault): Promise<string> {
  const registry = await startRegistry(t);
  registry.on({ kind: 'manifest' }, fault);
  return registry.host;
}

/** A port that nobody is given: one that was just closed may be another test's by now. */
const deadHost = '127.0.0.1:2';

async function expiredRegistry(t: TestContext): Promise<string> {
  const registry = await startRegistry(t, { tls: createCertificateAuthority().issue(expired()) });
  return registry.host;
}

/** The bad ones, in an order that has the black holes apart, and what the trail must say of each. */
async function badMirrors(t: TestContext) {
  return [
    [deadHost, 'unreachable', /^connection refused$/],
    [await blackHole(t, false), 'overdue', /^no answer within its usual time$/],
    [await badRegistry(t, status(500)), 'unreachable', /^HTTP 500/],
    [await badRegistry(t, status(502)), 'unreachable', /^HTTP 502/],
    [await badRegistry(t, status(503)), 'unreachable', /^HTTP 503/],
    [await badRegistry(t, status(401)), 'unauthorized', /^HTTP 401 without a challenge$/],
    [await blackHole(t, true), 'overdue', /^no answer within its usual time$/],
    [await badRegistry(t, status(403)), 'denied', /^HTTP 403/],
    [await badRegistry(t, status(404)), 'notFound', /^HTTP 404/],
    [await badRegistry(t, rateLimited(60)), 'rateLimited', /^HTTP 429 until \d{4}-/],
    [await badRegistry(t, htmlPage()), 'invalid', /^sent a web page/],
    [
      await badRegistry(t, redirect('http://127.0.0.1:1/nowhere')),
      'unreachable',
      /^redirected to 127.0.0.1:1: /,
    ],
    [await expiredRegistry(t), 'unreachable', /^certificate expired on \d{4}-\d\d-\d\d$/],
  ] as const;
}

describe('dead mirrors', () => {
  it('cost the first pull a second for each black hole, later ones nothing', async (t) => {
    const bad = await badMirrors(t);
    const good = await startRegistry(t);
    for (let tag = 0; tag < 20; tag += 1) {
      good.putImage('team/app', `${tag}`, buildImage({ seed: tag }));
    }
    const hosts = bad.map(([host]) => host);
    const secure = [hosts[0], hosts[1], hosts.at(-1)].filter((host) => host !== undefined);
    const proxy = await startApp(t, {
      registries: entry('ex.test', { mirrors: hosts, source: good.host, secure }),
    });
    const pull = (tag: number | string) => get(`${proxy.url}/v2/ex.test/team/app/manifests/${tag}`);

    const first = await pull(0);
    assert.equal(first.status, 200);
    assert.ok(first.timing.end > 1900, `two black holes, so not before two seconds: ${first.timing.end} ms`);
    assert.ok(first.timing.end < 2900, `no third second is spent: ${first.timing.end} ms`);

    const later: number[] = [];
    for (let tag = 1; tag < 20; tag += 1) {
      const { status, timing } = await pull(tag);
      assert.equal(status, 200);
      later.push(timing.end);
    }
    const median = later.sort((a, b) => a - b)[Math.floor(later.length / 2)] ?? 0;
    assert.ok(median < 100, `half of the later pulls take less than ${median} ms`);
    assert.ok((later.at(-1) ?? 0) < 900, `none waits for a black hole again: ${later.at(-1)} ms`);
    const metrics = (await get(`${proxy.url}/metrics`)).body.toString();
    for (const hole of [hosts[1], hosts[6]]) {
      assert.ok(metrics.includes(`entrepot_upstream_breaker_open{host="${hole}"} 1`), `${hole} is skipped`);
    }
  });

  it('are all told to whoever asked in vain, in order, each with its reason', async (t) => {
    const bad = await badMirrors(t);
    const hosts = bad.map(([host]) => host);
    const secure = [hosts[0], hosts[1], hosts.at(-1)].filter((host) => host !== undefined);
    const source = await startRegistry(t);
    const proxy = await startApp(t, {
      registries: entry('ex.test', { mirrors: hosts, source: source.host, secure }),
      toml: '[upstream]\nconnect_timeout = "1500ms"\nheader_timeout = "1500ms"\n',
    });
    const answer = readError(await get(`${proxy.url}/v2/ex.test/team/app/manifests/1`));
    assert.equal(answer.status, 503);
    assert.equal(answer.code, 'TOOMANYREQUESTS');
    const expected = bad.map(([host, outcome]) => [host, outcome === 'overdue' ? 'unreachable' : outcome]);
    assert.deepEqual(
      answer.outline,
      [...expected, [source.host, 'notFound']].map((pair) => pair.join(' ')),
    );
    bad.forEach(([host, outcome, reason], index) => {
      const said = answer.trail[index]?.reason ?? '';
      assert.match(said, outcome === 'overdue' ? /^no (?:connection|answer) within 1\.5 s$/ : reason, host);
    });
  });
});
