/** How far each tag has followed its registry: what runs write down, what events bring, what commands show (issue 13). */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { ListedReplica } from '../../src/admin/replica-commands.ts';
import type { Job, JobState } from '../../src/jobs/job.ts';
import { parseTag } from '../../src/oci/reference.ts';
import { type ImageChange, replicateJob } from '../../src/replication/image-change.ts';
import { startApp } from '../support/app.ts';
import { digestOf } from '../support/byte-source.ts';
import { createManualClock } from '../support/clock.ts';
import { runCommand } from '../support/commands.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeRegistryOptions, startFakeRegistry } from '../support/fake-registry.ts';
import { holdHeaders, status } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get } from '../support/http-client.ts';
import { buildArtifact, buildImage, buildIndex, buildIndexOf } from '../support/images.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { startTokenServer } from '../support/token-server.ts';

const image = buildImage({ seed: 'replica', layers: [20_000, 1000] });
const other = buildImage({ seed: 'another', layers: [5000] });
const hour = 3_600_000;

interface WorldOptions {
  /** Lines of the block; null: there is no block. */
  readonly block?: string | null;
  readonly toml?: string;
  readonly upstream?: FakeRegistryOptions;
}

async function world(t: TestContext, { block = '', toml = '', upstream = {} }: WorldOptions = {}) {
  const registry = await startFakeRegistry(upstream);
  t.after(() => registry.stop());
  const clock = createManualClock();
  const name = `${registry.host}/team/app`;
  const blocks = block === null ? '' : `[[sync]]\nname = "app"\nsource = "${name}"\n${block}\n`;
  const files = { registries: insecureRegistry(registry.host), toml: `${blocks}${toml}` };
  const proxy = await startApp(t, files, { clock });
  const { administration, jobs } = proxy.app;
  const tags = () => Array.fromAsync(administration.replicas.tags({}));
  const jobsOf = (kind: string) => jobs.list({ kind, limit: 10 });
  return {
    registry,
    clock,
    proxy,
    name,
    run: async () => (await administration.sync(['app'], {}))[0] ?? assert.fail('no report'),
    tags,
    /** `tag state` of each; `-` for the list of tags. */
    states: async () => (await tags()).map(({ tag, state }) => `${tag ?? '-'} ${state}`),
    replica: async (tag: string): Promise<ListedReplica> =>
      (await tags()).find((one) => one.tag === tag) ?? assert.fail(`no replica ${tag}`),
    repository: async () => (await Array.fromAsync(administration.replicas.repositories({})))[0],
    /** Adds the job of an event. */
    async tell(change: Partial<Omit<ImageChange, 'tag'>> & { tag?: string }) {
      const { tag = null, ...rest } = change;
      const what = { image: name, digest: null, change: 'updated', at: clock.now(), sender: 'test' } as const;
      await jobs.add(replicateJob({ ...what, ...rest, tag: tag === null ? null : parseTag(tag)! }));
    },
    /** Resolves with the newest job of events once it is in this state after so many runs. */
    async became(state: JobState, attempts = 1): Promise<Job> {
      return await eventually(`it is ${state}`, async () => {
        const [job] = await jobsOf('replicate');
        return job?.state === state && job.attempts === attempts && job;
      });
    },
    /** Digests of the referrers of `image`, through the proxy. */
    async referrers() {
      const answer = await get(`${proxy.url}/v2/${name}/referrers/${image.digest}`);
      const index = JSON.parse(answer.body.toString()) as { manifests: { digest: string }[] };
      return index.manifests.map(({ digest }) => digest);
    },
    async pull(path: string) {
      const answer = await get(`${proxy.url}/v2/${name}/${path}`);
      return { status: answer.status, digest: answer.headers['docker-content-digest'] };
    },
  };
}

describe('the state of a tag', () => {
  it('is done once all of it is here, with its digest, its bytes and its times', async (t) => {
    const { registry, run, replica, repository, clock, name } = await world(t);
    registry.putImage('team/app', '1', image);
    const { bytes } = await run();
    const now = new Date(clock.now()).toISOString();
    const one = await replica('1');
    assert.deepEqual(
      [one.state, one.geoState, one.wanted, one.here, one.bytes, one.attempts, one.reason],
      ['done', 2, image.digest, image.digest, bytes, 1, null],
    );
    assert.deepEqual(
      [one.sync, one.verified, one.changed, one.done, one.failed],
      ['app', now, now, now, null],
    );
    assert.deepEqual(
      [(await repository())?.image, (await repository())?.state, (await repository())?.done],
      [name, 'done', 1],
    );
  });

  it('says again that it was verified when nothing has changed', async (t) => {
    const { registry, run, replica, clock } = await world(t);
    registry.putImage('team/app', '1', image);
    await run();
    const before = await replica('1');
    await clock.advance(hour);
    await run();
    const after = await replica('1');
    assert.equal(Date.parse(after.verified!) - Date.parse(before.verified!), hour);
    assert.deepEqual({ ...after, verified: null }, { ...before, verified: null });
  });

  it('is running while it is brought, and pending again when the server stops in the middle', async (t) => {
    const { registry, proxy, run, states } = await world(t);
    registry.putImage('team/app', '1', image);
    const hold = gate();
    registry.on({ kind: 'blob', digest: image.config!.digest }, holdHeaders(hold));
    const { administration } = proxy.app;
    const stop = new AbortController();
    const running = administration.sync(['app'], { signal: stop.signal });
    await hold.arrived;
    assert.deepEqual(await states(), ['1 running']);
    stop.abort(new Error('the server stops'));
    hold.release();
    await running.catch(() => {});
    assert.deepEqual(await states(), ['1 pending']);
    registry.heal();
    await run();
    assert.deepEqual(await states(), ['1 done']);
  });

  it('stays done when its registry cannot be asked once, as the report and the reason say, and fails in an outage', async (t) => {
    const { registry, run, replica, clock } = await world(t);
    registry.putImage('team/app', '1', image);
    await run();
    registry.on({ kind: 'manifest' }, status(500));
    assert.equal((await run()).state, 'failed');
    const doubtful = await replica('1');
    assert.deepEqual([doubtful.state, doubtful.here], ['done', image.digest]);
    assert.match(doubtful.reason ?? '', /does not say what it is: .*500/);
    await clock.advance(hour);
    await run();
    assert.equal((await replica('1')).state, 'failed');
    registry.heal();
    await clock.advance(60_000);
    await run();
    const last = await replica('1');
    assert.deepEqual([last.state, last.reason, last.failed], ['done', null, null]);
  });

  it('is failed at once where the registry lists the tag and says that it has none', async (t) => {
    const { registry, run, states } = await world(t);
    registry.putImage('team/app', '1', image);
    await run();
    registry.on({ kind: 'manifest' }, status(404));
    await run();
    assert.deepEqual(await states(), ['1 failed']);
  });

  it('goes when the block wants the tag no more, and when the block is gone', async (t) => {
    const { registry, proxy, name, run, states } = await world(t);
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', '2', other);
    await run();
    const block = `[[sync]]\nname = "app"\nsource = "${name}"\ntags = { include = ["2"] }\n`;
    await proxy.reload({ toml: block });
    await run();
    assert.deepEqual(await states(), ['2 done']);
    await proxy.reload({ toml: '' });
    await eventually('it is forgotten', async () => (await states()).length === 0);
  });

  it('is partial while a signature of it cannot be had', async (t) => {
    const { registry, run, replica, states, clock } = await world(t);
    registry.putImage('team/app', '1', image);
    const signature = `${image.digest.replace(':', '-')}.sig`;
    registry.putImage('team/app', signature, other);
    const rule = registry.on({ digest: other.layers[0]!.digest }, status(404));
    await run();
    assert.deepEqual(await states(), ['1 partial', `${signature} partial`]);
    assert.match((await replica('1')).reason ?? '', /\.sig, which is attached to it: .*not found/);
    rule.remove();
    await clock.advance(10_000);
    await run();
    assert.deepEqual(await states(), ['1 done', `${signature} done`]);
  });

  it('comes first of what is here in part or is old, then of names, then of the newest versions', async (t) => {
    const { registry, run, pull } = await world(t);
    const tags = ['1.0', '1.1', '1.10', '1.2', '1.9', 'latest'];
    const images = new Map(
      tags.map((tag) => [tag, buildImage({ seed: `order ${tag}`, layers: [] })] as const),
    );
    registry.putImage('team/app', '1.0', image);
    await pull('manifests/1.0');
    for (const tag of tags) registry.putImage('team/app', tag, images.get(tag)!);
    const hold = gate();
    const configs = [...images].map(([tag, { config }]) => [config!.digest, tag] as const);
    const tagOf = new Map<string | undefined, string>(configs);
    registry.on({ kind: 'blob', when: ({ digest }) => tagOf.has(digest) }, holdHeaders(hold));
    const running = run();
    await registry.seen({ kind: 'blob' }, 4);
    const first = registry.requests.flatMap(({ kind, digest }) =>
      kind === 'blob' ? [tagOf.get(digest)] : [],
    );
    assert.deepEqual(first.toSorted(), ['1.0', '1.10', '1.9', 'latest']);
    hold.release();
    assert.equal((await running).state, 'done');
  });

  it('follows referrers that are attached later, which it asks for once a day', async (t) => {
    const { registry, run, pull, clock } = await world(t, { upstream: { referrers: true } });
    registry.putImage('team/app', '1', image);
    await run();
    const sbom = buildArtifact(image, { content: '{"sbom":1}' });
    registry.putImage('team/app', undefined, sbom);
    registry.clear();
    await run();
    assert.deepEqual([registry.count(), registry.count({ method: 'HEAD' })], [2, 1]);
    await clock.advance(24 * hour);
    registry.clear();
    await run();
    assert.equal(registry.count({ kind: 'referrers' }), 1);
    await registry.refuse();
    assert.equal((await pull(`manifests/${sbom.digest}`)).status, 200);
    assert.equal((await pull(`referrers/${image.digest}`)).status, 200);
  });
});

describe('what other tools call synced when it is not', () => {
  it('a failing tag does not make a repository done', async (t) => {
    const { registry, run, states, replica, repository, clock } = await world(t);
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', '2', other);
    registry.on({ kind: 'blob', digest: other.layers[0]!.digest }, status(404));
    await run();
    assert.deepEqual(await states(), ['1 done', '2 partial']);
    const bad = await replica('2');
    assert.deepEqual([bad.geoState, bad.here, bad.attempts], [3, null, 1]);
    assert.match(bad.reason ?? '', /not found/);
    assert.deepEqual([(await repository())?.state, (await repository())?.done], ['partial', 1]);
    registry.heal();
    // As long as a 404 is remembered.
    await clock.advance(10_000);
    await run();
    assert.deepEqual([await states(), (await repository())?.state], [['1 done', '2 done'], 'done']);
  });

  it('a failed listing removes nothing, and the repository is not done', async (t) => {
    const { registry, run, states, repository, pull } = await world(t);
    registry.putImage('team/app', '1', image);
    await run();
    const rule = registry.on({ kind: 'tags' }, status(500));
    await run();
    assert.deepEqual(await states(), ['- failed', '1 done']);
    assert.match((await repository())?.reason ?? '', /could not be listed/);
    assert.equal((await pull('manifests/1')).digest, image.digest);
    rule.remove();
    await run();
    assert.deepEqual(await states(), ['1 done']);
  });

  it('all index and list types are taken', async (t) => {
    const { registry, run, states, pull } = await world(t);
    const oci = buildIndex({ seed: 'oci index', layers: [900] });
    const list = buildIndex({ format: 'docker', seed: 'docker list', layers: [900] });
    for (const one of [oci, list]) registry.putImage('team/app', undefined, one);
    registry.putImage('team/app', 'oci', oci);
    registry.putImage('team/app', 'docker', list);
    registry.putImage('team/app', 'nested', buildIndexOf([oci, list]));
    await run();
    assert.deepEqual(await states(), ['docker done', 'nested done', 'oci done']);
    await registry.refuse();
    for (const { digest } of [...oci.blobs, ...list.blobs])
      assert.equal((await pull(`blobs/${digest}`)).status, 200);
  });

  it('deletion by name leaves other tags of the digest', async (t) => {
    const { registry, run, tell, became, pull } = await world(t);
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', 'latest', image);
    await run();
    registry.removeManifest('team/app', 'latest');
    await tell({ tag: 'latest', digest: image.digest, change: 'deleted' });
    await became('done');
    assert.equal((await pull('manifests/latest')).status, 404, 'its next use has asked the registry');
    await registry.refuse();
    assert.equal((await pull('manifests/1')).digest, image.digest);
    for (const { digest } of image.blobs) assert.equal((await pull(`blobs/${digest}`)).status, 200);
  });

  it('an event that was lost is found by the sweep', async (t) => {
    const sender = (host: string) =>
      `[[events.in]]\nname = "test"\nformat = "distribution"\nregistry = "${host}"\nsecret_file = "secret"\n`;
    const { registry, clock, proxy, name, states, replica } = await world(t);
    writeFileSync(`${proxy.folder}/secret`, 'a secret that nothing else has');
    // The block has no times of its own.
    await proxy.reload({ toml: `[[sync]]\nname = "app"\nsource = "${name}"\n${sender(registry.host)}` });
    registry.putImage('team/app', '1', image);
    await clock.armed();
    await clock.advance(60_000);
    await eventually('the first sweep', async () => (await states()).join() === '1 done');
    registry.putImage('team/app', '1', other);
    await clock.advance(1.2 * hour);
    await eventually('the next sweep', async () => (await replica('1')).here === other.digest);
  });

  it('a token that expires in the middle is renewed', async (t) => {
    const tokens = await startTokenServer();
    t.after(() => tokens.stop());
    const { registry, run, states } = await world(t, { upstream: { auth: { kind: 'bearer', tokens } } });
    registry.putImage('team/app', '1', image);
    const hold = gate();
    registry.on({ kind: 'blob', digest: image.config!.digest, nth: 1 }, holdHeaders(hold));
    const running = run();
    await hold.arrived;
    // What is asked for after this gets a 401 with the old token.
    tokens.revokeAll();
    hold.release();
    assert.equal((await running).state, 'done');
    assert.deepEqual(await states(), ['1 done']);
    assert.ok(tokens.requests.length > 1);
  });

  it('a manifest without layers is an image', async (t) => {
    const { registry, run, states, pull } = await world(t);
    const bare = buildImage({ seed: 'bare', layers: [] });
    registry.putImage('team/app', 'bare', bare);
    registry.putImage('team/app', 'empty', buildIndexOf([]));
    await run();
    assert.deepEqual(await states(), ['bare done', 'empty done']);
    await registry.refuse();
    assert.equal((await pull('manifests/bare')).digest, bare.digest);
  });

  it('what is not here yet is pulled through', async (t) => {
    const { registry, run, states, pull } = await world(t, { block: 'tags = { include = ["1"] }' });
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', '2', other);
    await run();
    assert.equal((await pull('manifests/2')).digest, other.digest);
    assert.deepEqual(await states(), ['1 done']);
  });
});

describe('an event', () => {
  it('brings a tag as a whole, which is served when the registry is gone', async (t) => {
    const { registry, tell, became, replica, pull, clock, proxy } = await world(t);
    registry.putImage('team/app', '1', image);
    const at = clock.now() - 1500;
    await tell({ tag: '1', digest: image.digest, at });
    await became('done');
    const one = await replica('1');
    assert.deepEqual([one.state, one.changed], ['done', new Date(at).toISOString()]);
    const metrics = (await get(`${proxy.url}/metrics`)).body.toString();
    assert.match(metrics, /^entrepot_replica_lag_seconds_sum 1\.5$/m);
    assert.match(metrics, /^entrepot_replica_tags\{state="done"\} 1$/m);
    await registry.refuse();
    assert.equal((await pull('manifests/1')).digest, image.digest);
    for (const { digest } of image.blobs) assert.equal((await pull(`blobs/${digest}`)).status, 200);
  });

  it('is a hint: what the registry has counts', async (t) => {
    const { registry, tell, became, replica, clock } = await world(t);
    registry.putImage('team/app', '1', image);
    await tell({ tag: '1', digest: other.digest });
    for (const [look, wait] of [1000, 5000, 30_000].entries()) {
      const job = await became('pending', look + 1);
      assert.equal(job.notBefore - clock.now(), wait);
      await clock.advance(wait);
    }
    await became('done', 4);
    assert.equal((await replica('1')).here, image.digest);
  });

  it('that comes before its registry knows of it is looked at again', async (t) => {
    const { registry, tell, became, replica, clock } = await world(t);
    await tell({ tag: '1', digest: image.digest });
    await became('pending');
    registry.putImage('team/app', '1', image);
    await clock.advance(1000);
    await became('done', 2);
    assert.equal((await replica('1')).state, 'done');
  });

  it('without a block brings nothing: a cached tag asks again, and a remembered 404 is forgotten', async (t) => {
    const { proxy, registry, tell, became, pull, tags } = await world(t, { block: null });
    registry.putImage('team/app', '1', image);
    assert.equal((await pull('manifests/1')).digest, image.digest);
    assert.equal((await pull('manifests/2')).status, 404);
    registry.putImage('team/app', '1', other);
    registry.putImage('team/app', '2', other);
    registry.clear();
    assert.equal((await pull('manifests/1')).digest, image.digest, 'the tag is fresh');
    for (const tag of ['1', '2']) {
      await tell({ tag });
      await became('done');
    }
    assert.equal(registry.count(), 0);
    const { stdout } = await runCommand(proxy, 'jobs', 'list');
    assert.match(
      stdout,
      /succeeded at \S+ \S+: no \[\[sync\]\] brings it: its next pull asks the registry\n/,
    );
    assert.equal((await pull('manifests/1')).digest, other.digest);
    assert.equal((await pull('manifests/2')).digest, other.digest);
    assert.deepEqual(await tags(), []);
  });

  it('brings no tag that its block does not select', async (t) => {
    const { registry, run, tell, became, states } = await world(t, {
      block: 'tags = { include = ["1.*"], semver = "*", newest = 2 }',
    });
    for (const tag of ['1.1', '1.2', '1.3']) registry.putImage('team/app', tag, image);
    await run();
    assert.deepEqual(await states(), ['1.2 done', '1.3 done']);
    registry.putImage('team/app', '1.4', other);
    registry.putImage('team/app', '2.0', other);
    for (const tag of ['1.1', '2.0', '1.4']) {
      await tell({ tag });
      await became('done');
    }
    assert.deepEqual(await states(), ['1.2 done', '1.3 done', '1.4 done']);
  });

  it('of a referrer brings it, and of another manifest without a tag nothing but that', async (t) => {
    const { registry, run, tell, became, pull, referrers } = await world(t, {
      upstream: { referrers: true },
    });
    registry.putImage('team/app', '1', image);
    await run();
    const sbom = buildArtifact(image, { content: '{"sbom":2}' });
    for (const one of [sbom, other]) registry.putImage('team/app', undefined, one);
    registry.clear();
    await tell({ digest: other.digest });
    await became('done');
    assert.deepEqual([registry.count(), registry.count({ kind: 'manifest' })], [1, 1]);
    await tell({ digest: sbom.digest });
    await became('done');
    await registry.refuse();
    assert.equal((await pull(`blobs/${sbom.layers[0]!.digest}`)).status, 200);
    assert.deepEqual(await referrers(), [sbom.digest]);
  });

  it('waits as long as its registry asks for', async (t) => {
    const { registry, tell, became, replica, clock } = await world(t);
    registry.putImage('team/app', '1', image);
    const rule = registry.on({ kind: 'manifest' }, status(429, { 'retry-after': '600' }));
    await tell({ tag: '1' });
    const job = await became('pending');
    assert.equal(job.notBefore - clock.now(), 600_000);
    const one = await replica('1');
    assert.deepEqual([one.state, Date.parse(one.nextAttempt!)], ['failed', job.notBefore]);
    rule.remove();
    await clock.advance(600_000);
    await became('done', 2);
    assert.deepEqual([(await replica('1')).state, (await replica('1')).nextAttempt], ['done', null]);
  });

  it('of another tag asks nothing while the registry wants to be left alone, and its tag has not failed', async (t) => {
    const { registry, tell, became, states } = await world(t);
    registry.putImage('team/app', '1', image);
    registry.on({ kind: 'manifest' }, status(429, { 'retry-after': '600' }));
    await tell({ tag: '1' });
    await became('pending');
    const asked = registry.requests.length;
    await tell({ tag: '2' });
    assert.match((await became('pending')).reason ?? '', /asks for a pause/);
    assert.equal(registry.requests.length, asked);
    assert.deepEqual(await states(), ['1 failed']);
  });

  it('has not failed however often its registry asks for a pause', async (t) => {
    const { registry, tell, became, replica, clock } = await world(t);
    registry.putImage('team/app', '1', image);
    const rule = registry.on({ kind: 'manifest' }, status(429, { 'retry-after': '600' }));
    await tell({ tag: '1' });
    for (let pause = 1; pause <= 10; pause++) {
      assert.equal((await became('pending', pause)).failures, 0);
      await clock.advance(600_000);
    }
    rule.remove();
    await became('pending', 11);
    await clock.advance(600_000);
    await became('done', 12);
    assert.equal((await replica('1')).state, 'done');
  });

  it('waits until the window of its block opens, unless a person asks', async (t) => {
    const { registry, proxy, name, tell, became, states, clock } = await world(t, {
      block: 'window = "02:00-04:00"',
    });
    registry.putImage('team/app', '1', image);
    await tell({ tag: '1' });
    const job = await became('pending');
    assert.equal(job.notBefore - clock.now(), 2 * hour);
    assert.match(job.reason ?? '', /its window opens at /);
    await proxy.app.administration.replicas.resync(name);
    await became('done');
    assert.deepEqual(await states(), ['1 done']);
    await clock.advance(2 * hour);
    await eventually('the event is followed as well', async () =>
      (await proxy.app.jobs.list({ limit: 5 })).every(({ state }) => state === 'done'),
    );
  });

  it('does not make what a person has asked for wait for the window', async (t) => {
    const { registry, proxy, name, tell, became, states } = await world(t, {
      block: 'window = "02:00-04:00"',
    });
    registry.putImage('team/app', '1', image);
    const rule = registry.on({ kind: 'tags' }, status(500));
    await proxy.app.administration.replicas.resync(name);
    await became('pending');
    rule.remove();
    await tell({});
    const job = await eventually('it has run again', async () => {
      const [one] = await proxy.app.jobs.list({ limit: 1 });
      return one?.attempts === 2 && one.state !== 'running' && one;
    });
    assert.deepEqual([job.state, job.cause, job.reason], ['done', 'manual', undefined]);
    assert.deepEqual(await states(), ['1 done']);
  });

  it('of a tag with the beginning of a sha512 digest is followed where that manifest is here', async (t) => {
    const { registry, tell, became, states, run } = await world(t, { block: 'tags = { include = ["1"] }' });
    const long = { ...image, digest: digestOf(image.bytes, 'sha512') };
    registry.putImage('team/app', '1', long);
    await run();
    const attached = `sha512-${long.digest.slice(7, 71)}`;
    const unknown = `sha512-${'0'.repeat(64)}`;
    for (const tag of [attached, unknown]) registry.putImage('team/app', tag, other);
    for (const tag of [unknown, attached]) {
      await tell({ tag });
      await became('done');
    }
    assert.deepEqual(await states(), ['1 done', `${attached} done`]);
  });

  it('of a tag means nothing to a block that selects digests', async (t) => {
    const { registry, tell, became, tags } = await world(t, { block: `digests = ["${other.digest}"]` });
    registry.putImage('team/app', '1', image);
    await tell({ tag: '1' });
    await became('done');
    assert.deepEqual(await tags(), []);
    assert.equal(registry.count(), 0);
  });

  it('of a repository runs over all of it', async (t) => {
    const { registry, tell, became, states } = await world(t);
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', '2', other);
    await tell({});
    await became('done');
    assert.deepEqual(await states(), ['1 done', '2 done']);
  });
});

describe('entrepot replicas', () => {
  it('lists repositories and tags, and looks at them again, with a server and without one', async (t) => {
    const { registry, proxy, run, name, became, replica } = await world(t);
    registry.putImage('team/app', '1', image);
    await run();
    const list = await runCommand(proxy, 'replicas', '--json');
    assert.deepEqual([list.code, list.json[0].image, list.json[0].geoState], [0, name, 2]);
    const text = await runCommand(proxy, 'replicas', 'list', '--tags', `${name}:*`);
    assert.match(text.stdout, /team\/app:1 +done +app +sha256:/);
    assert.equal((await runCommand(proxy, 'replicas', '--state', 'failed')).stdout, 'no such replicas\n');
    registry.putImage('team/app', '1', other);
    assert.match((await runCommand(proxy, 'replicas', 'resync', name)).stdout, /^1 job due now/);
    assert.equal((await became('done')).cause, 'manual');
    assert.equal((await replica('1')).here, other.digest);
    await proxy.stop();
    const alone = await runCommand(proxy, 'replicas', 'list', '--tags', '--json');
    assert.deepEqual([alone.json[0].tag, alone.json[0].here], ['1', other.digest]);
    assert.equal((await runCommand(proxy, 'replicas', 'resync', '--all', '--json')).json.jobs, 1);
    const waiting = await runCommand(proxy, 'replicas', '--json');
    assert.equal(waiting.json[0].state, 'pending', 'no server runs the job');
  });

  it('calls what it looks at again pending, which is no lag', async (t) => {
    const { registry, proxy, run, name, became, states, replica, clock } = await world(t);
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', '2', other);
    await run();
    await clock.advance(10_000);
    const hold = gate();
    t.after(() => hold.release());
    registry.on({}, holdHeaders(hold));
    const { resync } = proxy.app.administration.replicas;
    await resync(`${name}:2`);
    assert.deepEqual(await states(), ['1 done', '2 pending']);
    await resync(name);
    assert.deepEqual(await states(), ['1 pending', '2 pending']);
    hold.release();
    await eventually('all is done', async () => (await states()).every((one) => one.endsWith('done')));
    await became('done');
    assert.equal((await replica('1')).changed, null);
    const text = (await get(`${proxy.url}/metrics`)).body.toString();
    assert.match(text, /^entrepot_replica_lag_seconds_count 2$/m);
    assert.match(text, /^entrepot_replica_lag_seconds_sum 0$/m);
  });

  it('has no state of what was looked at and is not to be brought: gone, pushed here, not selected', async (t) => {
    const { registry, proxy, run, name, became, states } = await world(t, {
      toml: '[[push]]\nmatch = "**"\nmode = "overlay"\n[access]\nanonymous = ["pull", "push"]',
    });
    for (const tag of ['1', 'gone', 'pushed', 'unnamed']) registry.putImage('team/app', tag, image);
    await run();
    registry.removeManifest('team/app', 'gone');
    const put = await fetch(`${proxy.url}/v2/${name}/manifests/pushed`, {
      method: 'PUT',
      headers: { 'content-type': image.mediaType },
      body: Buffer.from(image.bytes),
    });
    assert.equal(put.status, 201, await put.text());
    await proxy.reload({
      toml: `[[sync]]\nname = "app"\nsource = "${name}"\ntags = { exclude = ["unnamed"] }`,
    });
    assert.deepEqual(await states(), ['1 done', 'gone done', 'pushed done', 'unnamed done']);
    for (const tag of ['1', 'gone', 'pushed', 'unnamed']) {
      await proxy.app.administration.replicas.resync(`${name}:${tag}`);
      assert.equal((await became('done')).key, `${name}:${tag}`);
    }
    assert.deepEqual(await states(), ['1 done']);
  });

  it('looks with --all at what the catalogue of a registry names now', async (t) => {
    const { registry, proxy, states } = await world(t, { block: null, upstream: { catalogue: true } });
    registry.putImage('team/app', '1', image);
    assert.deepEqual(await states(), []);
    await proxy.reload({ toml: `[[sync]]\nname = "all"\nsource = "${registry.host}/**"\n` });
    const { resync } = proxy.app.administration.replicas;
    await assert.rejects(resync(`${registry.host}/**`), /no \[\[sync\]\] wants what/);
    assert.deepEqual(await resync(undefined), { jobs: 1 });
    await eventually('it is here', async () => (await states()).includes('1 done'));
  });

  it('has a state for each block that wants a tag, and calls the repository as the worst', async (t) => {
    const { registry, proxy, run, name, tags, repository } = await world(t);
    const index = buildIndex({ layers: [1000], seed: 'two blocks' });
    registry.putImage('team/app', '1', index);
    registry.on({ digest: index.images[1]!.layers[0]!.digest }, status(404));
    const block = (more: string) => `[[sync]]\nsource = "${name}"\n${more}\n`;
    await proxy.reload({
      toml: `${block('name = "app"\nplatforms = ["linux/amd64"]')}${block('name = "every"')}`,
    });
    await proxy.app.administration.sync(['every'], {});
    await run();
    assert.deepEqual(
      (await tags()).map(({ sync, tag, state }) => [sync, tag, state]),
      [
        ['app', '1', 'done'],
        ['every', '1', 'partial'],
      ],
    );
    const { state, tags: count, done } = (await repository()) ?? assert.fail('none');
    assert.deepEqual([state, count, done], ['partial', 1, 0]);
  });
});
