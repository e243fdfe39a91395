/** When nobody answers, what is cached is served, marked stale, and a dead registry keeps nobody waiting twice. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { startBlackHole } from '../support/black-hole.ts';
import { createCertificateAuthority, expired } from '../support/certificates.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts';
import { hangUp, htmlPage, neverAnswer, rateLimited, status } from '../support/fake-registry-faults.ts';
import { type HttpAnswer, json } from '../support/http-client.ts';
import { buildArtifact, buildImage } from '../support/images.ts';
import {
  cacheOf,
  eventually,
  insecureRegistry,
  settled,
  startMirrored,
} from '../support/mirrored-registry.ts';
import { skipFor } from '../support/missing.ts';
import { run } from '../support/processes.ts';

const repository = 'team/app';
const image = buildImage({ layers: [50_000] });
const signature = buildArtifact(image);
const minute = 60_000;

/** All of an image was pulled through, tag list and referrers too, and is no longer fresh. */
async function pulled(t: TestContext, options: Parameters<typeof startMirrored>[1] = {}) {
  const mirrored = await startMirrored(t, options);
  const { registry, get: ask, clock } = mirrored;
  registry.putImage(repository, '1', image);
  registry.putImage(repository, undefined, signature);
  registry.putImage(repository, 'never-pulled', buildImage({ seed: 'never pulled' }));
  const paths = ['manifests/1', 'tags/list', `referrers/${image.digest}`];
  for (const path of [...paths, ...image.blobs.map(({ digest }) => `blobs/${digest}`)]) {
    assert.equal((await ask(repository, path)).complete, true);
  }
  await settled(mirrored.proxy);
  await clock.advance(minute);
  registry.clear();
  return { ...mirrored, pull: (path = 'manifests/1') => ask(repository, path) };
}

function assertStale(answer: HttpAnswer): void {
  assert.deepEqual([answer.status, cacheOf(answer)], [200, 'stale']);
  assert.match(String(answer.headers.warning), /^299 /);
}

describe('a cached tag is served stale when its registry', () => {
  const ways: Record<string, (registry: FakeRegistry) => void | Promise<void>> = {
    'refuses connections': (registry) => registry.refuse(),
    'says 401': (registry) => void registry.on({}, status(401)),
    'says 403': (registry) => void registry.on({}, status(403)),
    'says 429': (registry) => void registry.on({}, rateLimited(60)),
    'says 500': (registry) => void registry.on({}, status(500)),
    'says 503': (registry) => void registry.on({}, status(503)),
    'hangs up': (registry) => void registry.on({}, hangUp()),
    'is a captive portal': (registry) => void registry.on({}, htmlPage()),
  };
  for (const [name, breakIt] of Object.entries(ways)) {
    it(name, async (t) => {
      const { registry, pull, clock } = await pulled(t);
      await breakIt(registry);
      for (let time = 0; time < 5; time += 1) {
        const answer = await pull();
        assertStale(answer);
        assert.deepEqual(answer.body, image.bytes);
        await clock.advance(minute);
      }
      const list = await pull('tags/list');
      assertStale(list);
      assert.deepEqual((json(list) as { tags: string[] }).tags, ['1', 'never-pulled']);
      const referrers = await pull(`referrers/${image.digest}`);
      assertStale(referrers);
      assert.deepEqual(
        (json(referrers) as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest),
        [signature.digest],
      );
      assert.equal(cacheOf(await pull(`blobs/${image.layers[0]!.digest}`)), 'hit');

      await registry.restart();
      registry.heal();
      await clock.advance(minute);
      assert.equal(cacheOf(await pull()), 'revalidated');
    });
  }

  /** The same cache, but the configuration now leads to `location`. */
  async function movedTo(t: TestContext, location: string, insecure = true) {
    const mirrored = await pulled(t);
    const { proxy, registry, clock } = mirrored;
    const prefix = `[[registry]]\nprefix = "${registry.host}"\nlocation = "${location}"\n`;
    await proxy.reload({ registries: `${prefix}insecure = ${insecure}\n` });
    return { ...mirrored, clock };
  }

  it('has no address', async (t) => {
    const { pull } = await movedTo(t, 'registry.invalid');
    for (let time = 0; time < 4; time += 1) assertStale(await pull());
  });

  it('has a certificate that has expired', async (t) => {
    const authority = createCertificateAuthority();
    const tls = await startFakeRegistry({ tls: authority.issue(expired()) });
    t.after(() => tls.stop());
    tls.putImage(repository, '1', buildImage({ seed: 'other' }));
    const { pull } = await movedTo(t, tls.host, false);
    const answer = await pull();
    assertStale(answer);
    assert.deepEqual(answer.body, image.bytes);
    assert.equal(tls.count(), 0);
  });

  for (const accepts of [true, false]) {
    it(`is a black hole that ${accepts ? 'takes requests' : 'drops packets'}: after a second once, then at once`, async (t) => {
      const hole = await startBlackHole({ accepts });
      t.after(() => hole.stop());
      const { pull, clock } = await movedTo(t, hole.host);
      const first = pull();
      await clock.armed(1200);
      await clock.advance(1200);
      assertStale(await first);
      // Time stands still: nobody could wait for anything now.
      for (const path of ['manifests/1', 'tags/list', `referrers/${image.digest}`])
        assertStale(await pull(path));
      // Some fall into the time in which nobody is asked, some are the ones that probe.
      for (const pause of [10 * minute, 0, 1000, 3000, 5000, 10 * minute, 0, minute]) {
        await clock.advance(pause);
        assertStale(await pull());
      }
    });
  }
});

describe('a registry that was silent', () => {
  it('is believed again as soon as it answers', async (t) => {
    const { registry, pull, clock } = await pulled(t);
    const silence = registry.on({}, neverAnswer());
    const waiting = pull();
    await clock.armed(1200);
    await clock.advance(1200);
    assertStale(await waiting);
    await clock.advance(minute);
    silence.remove();
    assertStale(await pull());
    await eventually(async () => assert.notEqual(cacheOf(await pull()), 'stale'));
  });
});

describe('a registry that fails each time', () => {
  it('is not asked about what is here until it may have recovered; about the rest it is', async (t) => {
    const { registry, pull, clock } = await pulled(t);
    registry.on({}, status(500));
    for (let failures = 1; failures <= 3; failures += 1) {
      for (let time = 0; time < 20; time += 1) assertStale(await pull());
      assert.equal(registry.count({ method: 'HEAD' }), failures, 'asked once, not by each client');
      if (failures < 3) await clock.advance(2000);
    }
    // As many failures as open a breaker.
    assertStale(await pull('tags/list'));
    assert.equal(registry.count({ kind: 'tags' }), 0);
    assert.equal((await pull('manifests/2')).status, 502);
    assert.equal(registry.count({ reference: '2' }), 1);
    registry.heal();
    assertStale(await pull());
    await clock.advance(minute);
    assert.equal(cacheOf(await pull()), 'revalidated');
  });
});

describe('a registry that refuses', () => {
  it('is asked once in two seconds, however many pull', async (t) => {
    const { registry, pull, clock } = await pulled(t);
    registry.on({}, status(401));
    assertStale(await pull());
    // A HEAD, and what else it takes to be sure.
    const each = registry.count();
    for (let questions = 1; questions <= 5; questions += 1) {
      for (let time = 0; time < 20; time += 1) assertStale(await pull());
      assert.equal(registry.count(), each * questions);
      await clock.advance(2000);
      assertStale(await pull());
    }
    registry.heal();
    await clock.advance(2000);
    assert.equal(cacheOf(await pull()), 'revalidated');
  });

  for (const list of ['tags/list', `referrers/${image.digest}`]) {
    it(`is asked once in two seconds for its ${list.split('/')[0]}, too`, async (t) => {
      const { registry, pull, clock } = await pulled(t);
      assert.equal((await pull(list)).status, 200);
      registry.on({}, status(403));
      await clock.advance(minute);
      assertStale(await pull(list));
      const each = registry.count();
      for (let time = 0; time < 20; time += 1) assertStale(await pull(list));
      assert.equal(registry.count(), each);
      registry.heal();
      await clock.advance(2000);
      assert.equal(cacheOf(await pull(list)), 'fetched');
    });
  }
});

describe('a live mirror beside a dead one', () => {
  it('revalidates the tag, so that nothing is stale', async (t) => {
    const hole = await startBlackHole();
    t.after(() => hole.stop());
    const { proxy, registry, pull, clock } = await pulled(t);
    await proxy.reload({
      registries: `${insecureRegistry(registry.host)}[[registry.mirror]]\nlocation = "${hole.host}"\ninsecure = true\n`,
    });
    const waiting = pull();
    await clock.armed(1000);
    await clock.advance(1000);
    assert.equal(cacheOf(await waiting), 'revalidated');
    await clock.advance(minute);
    assert.equal(cacheOf(await pull()), 'revalidated');
  });
});

describe('upstream.offline', () => {
  it('contacts nobody, serves what is here, and says why the rest is not', async (t) => {
    const { proxy, registry, pull, clock } = await pulled(t);
    await proxy.reload({ toml: '[upstream]\noffline = true\n' });
    for (const answer of [await pull(), await pull(), await pull('tags/list')]) {
      assertStale(answer);
      assert.match(String(answer.headers.warning), /"upstream\.offline is set, /);
    }
    assert.equal(cacheOf(await pull(`manifests/${image.digest}`)), 'hit');
    for (const path of ['manifests/2', `blobs/sha256:${'0'.repeat(64)}`]) {
      const answer = await pull(path);
      assert.equal(answer.status, 503);
      assert.match(answer.body.toString(), /offline/);
    }
    assert.equal(registry.count(), 0);
    await proxy.reload({ toml: '' });
    await clock.advance(minute);
    assert.equal(cacheOf(await pull()), 'revalidated');
  });
});

describe('a start', () => {
  const script = join(import.meta.dirname, '..', 'support', 'pull-without-network.ts');

  /** `prepare`: a command of the shell that is run first, in namespaces of its own. */
  async function assertServes(t: TestContext, registries: string | undefined, prepare: string) {
    const trial = await run('unshare', ['-nm', 'sh', '-c', prepare]).catch(() => ({ code: 1 }));
    if (trial.code !== 0) return skipFor(t, 'needs the right to make namespaces and to mount');
    const { proxy, registry } = await pulled(t);
    await proxy.stop();
    if (registries !== undefined) {
      const conf = `[[registry]]\nprefix = "${registry.host}"\nlocation = "${registries}"\n`;
      writeFileSync(join(proxy.folder, 'registries.conf'), conf);
    }
    const { stdout, stderr, code } = await run('unshare', [
      ...['-nm', 'sh', '-c', `${prepare} && exec "$@"`, 'sh'],
      ...[process.execPath, script, proxy.folder, `${registry.host}/${repository}`],
    ]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), { askedAtStart: 0, answers: [200, 'stale', 'hit'] });
  }

  it('with no network at all serves what is cached', (t) => assertServes(t, undefined, 'true'));

  it('without a resolv.conf that can be read, by root either, serves what is cached', async (t) => {
    if (!existsSync('/etc/resolv.conf')) return skipFor(t, 'there is no resolv.conf to hide');
    const prepare = 'mount --bind /proc/self/mem /etc/resolv.conf && ! cat /etc/resolv.conf >/dev/null 2>&1';
    await assertServes(t, 'registry.invalid', prepare);
  });
});

describe('what is not cached', () => {
  it('is a 502 that names who said what, at once', async (t) => {
    const { registry, pull } = await pulled(t);
    registry.on({}, status(500));
    const answer = await pull('manifests/2');
    assert.equal(answer.status, 502);
    const { errors } = json(answer) as { errors: { detail: { endpoint: string; outcome: string }[] }[] };
    assert.deepEqual(
      errors[0]!.detail.map(({ endpoint, outcome }) => [endpoint, outcome]),
      [[`${registry.host}/${repository}`, 'unreachable']],
    );
  });

  it('of a tag list is answered with the tags that are here', async (t) => {
    const { registry, get: ask } = await startMirrored(t);
    registry.putImage(repository, '1', image);
    registry.putImage(repository, '2', buildImage({ seed: 2 }));
    await ask(repository, 'manifests/1');
    await registry.refuse();
    const answer = await ask(repository, 'tags/list');
    assertStale(answer);
    assert.deepEqual((json(answer) as { tags: string[] }).tags, ['1']);
  });
});

describe('an image without a signature', () => {
  const hex = image.digest.slice('sha256:'.length);
  const attached = [`sha256-${hex}`, `sha256-${hex}.sig`, `sha256-${hex}.att`, `sha256-${hex}.sbom`];

  it('is still known to have none when its registry is down', async (t) => {
    const { registry, pull, clock } = await pulled(t);
    for (const tag of attached) assert.equal((await pull(`manifests/${tag}`)).status, 404);
    await clock.advance(minute);
    await registry.refuse();
    for (const tag of attached) {
      for (let time = 0; time < 2; time += 1) {
        const answer = await pull(`manifests/${tag}`);
        assert.deepEqual([answer.status, cacheOf(answer)], [404, 'stale']);
        assert.match(String(answer.headers.warning), /^299 /);
      }
    }
    const unknown = await pull(`manifests/sha256-${'0'.repeat(64)}.sig`);
    assert.equal(unknown.status, 502, 'nothing was ever said of this one');
  });

  it('is asked for again when its registry is back, and then its signature is served', async (t) => {
    const { registry, pull, clock } = await pulled(t);
    const path = `manifests/sha256-${hex}.sig`;
    assert.equal((await pull(path)).status, 404);
    await registry.refuse();
    await clock.advance(minute);
    assert.equal(cacheOf(await pull(path)), 'stale');
    await registry.restart();
    registry.putManifest(repository, `sha256-${hex}.sig`, signature);
    await clock.advance(minute);
    assert.deepEqual((await pull(path)).body, signature.bytes);
    await registry.refuse();
    await clock.advance(minute);
    assertStale(await pull(path));
  });
});
