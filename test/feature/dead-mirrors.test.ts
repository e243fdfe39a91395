/** Thirteen mirrors before the good one, each bad in its own way: what they cost the first pull, and those after it. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { startBlackHole } from '../support/black-hole.ts';
import { createCertificateAuthority, expired } from '../support/certificates.ts';
import { createManualClock } from '../support/clock.ts';
import { entry, readError, startRegistry } from '../support/endpoints.ts';
import { type Fault, htmlPage, rateLimited, redirect, status } from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';

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
  const deaf = await startBlackHole({ accepts: false });
  t.after(() => deaf.stop());
  const silent = await startBlackHole();
  t.after(() => silent.stop());
  const mirrors = [
    [deadHost, 'unreachable', /^connection refused$/],
    [deaf.host, 'unreachable', /^no connection within 7 s$/],
    [await badRegistry(t, status(500)), 'unreachable', /^HTTP 500/],
    [await badRegistry(t, status(502)), 'unreachable', /^HTTP 502/],
    [await badRegistry(t, status(503)), 'unreachable', /^HTTP 503/],
    [
      await badRegistry(t, status(401)),
      'unauthorized',
      /^HTTP 401 without a challenge \(UNKNOWN: HTTP 401\)$/,
    ],
    [silent.host, 'unreachable', /^no connection within 3 s$/],
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
  return { deaf, silent, mirrors };
}

/** The program in front of all of them and a source, and its time, which stands still. */
async function start(t: TestContext) {
  const { deaf, silent, mirrors } = await badMirrors(t);
  const source = await startRegistry(t);
  const hosts = mirrors.map(([host]) => host);
  const secure = [hosts[0], hosts[1], hosts.at(-1)].filter((host) => host !== undefined);
  const clock = createManualClock();
  const proxy = await startApp(
    t,
    {
      registries: entry('ex.test', { mirrors: hosts, source: source.host, secure }),
      // A time that no other timer has: by it the test sees that this one is being connected to.
      toml: `[[upstream.host]]\nhost = "${deaf.host}"\nconnect_timeout = "7s"\n`,
    },
    { clock },
  );
  return {
    ...{ deaf, silent, mirrors, source, clock, proxy },
    pull: (tag: number | string) => get(`${proxy.url}/v2/ex.test/team/app/manifests/${tag}`),
    /** A second for each black hole: by then the next mirror is asked beside it. */
    async passHoles() {
      await clock.armed(7000);
      await clock.advance(1000);
      await silent.reached;
      await clock.advance(1000);
    },
  };
}

describe('dead mirrors', () => {
  it('cost the first pull a second for each black hole, later ones nothing', async (t) => {
    const { deaf, silent, source, clock, proxy, pull, passHoles } = await start(t);
    for (let tag = 0; tag < 20; tag += 1) {
      source.putImage('team/app', `${tag}`, buildImage({ seed: tag }));
    }
    const first = pull(0);
    await passHoles();
    assert.equal((await first).status, 200);
    assert.equal(clock.monotonic(), 2000);

    // Time stands still: a pull that waited for a black hole would wait for ever.
    for (let tag = 1; tag < 20; tag += 1) assert.equal((await pull(tag)).status, 200);
    const metrics = (await get(`${proxy.url}/metrics`)).body.toString();
    for (const { host } of [deaf, silent]) {
      assert.ok(metrics.includes(`entrepot_upstream_breaker_open{host="${host}"} 1`), `${host} is skipped`);
    }
  });

  it('are all told to whoever asked in vain, in order, each with its reason', async (t) => {
    const { mirrors, source, clock, pull, passHoles } = await start(t);
    const waiting = pull('1');
    await passHoles();
    await source.seen({ kind: 'manifest' });
    await clock.advance(7000);
    const answer = readError(await waiting);
    assert.equal(answer.status, 503);
    assert.equal(answer.code, 'TOOMANYREQUESTS');
    assert.deepEqual(
      answer.outline,
      [...mirrors, [source.host, 'notFound']].map(([host, outcome]) => `${host} ${outcome}`),
    );
    mirrors.forEach(([host, , reason], index) => {
      assert.match(answer.trail[index]?.reason ?? '', reason, host);
    });
  });
});
