/** `[[events.out]]`: what happens here, told to other systems. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Digest } from '../../src/oci/digest.ts';
import { type EventReceiver, startEventReceiver } from '../support/event-receiver.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { imageManifest, imageType, pusher, sha256 } from '../support/pusher.ts';
import { image, rules, secret, sinkOf, startWithSink } from '../support/sink-app.ts';
import { flipByte, storedFile } from '../support/stored-files.ts';

function typesOf({ taken }: EventReceiver): string[] {
  return taken.map(({ event }) => event.type);
}

describe('a push', () => {
  it('is told as distribution tells it, with the secret and a signature', async (t) => {
    const { receiver, app, push } = await startWithSink(t, {
      sink: 'format = "distribution"\nsecret_file = "secret"',
      more: '[events]\npublic_url = "https://images.corp/"',
    });
    const digest = await push('1', 'config', 'layer');
    const [first] = await receiver.took(1);
    assert.ok(first);
    const { body, headers, method, path } = first;
    assert.deepEqual([method, path], ['POST', '/hook']);
    assert.equal(headers['content-type'], 'application/vnd.docker.distribution.events.v2+json');
    assert.equal(headers.authorization, secret);
    const signature = createHmac('sha256', secret).update(body).digest('hex');
    assert.equal(headers['x-hub-signature-256'], `sha256=${signature}`);
    const { events } = JSON.parse(body) as { events: Record<string, unknown>[] };
    const [event] = events;
    assert.equal(events.length, 1);
    const { id, timestamp, action, target, request, actor, source } = event as Record<string, never>;
    assert.match(id!, /^[0-9a-f-]{36}$/);
    assert.equal(new Date(timestamp!).toISOString(), timestamp);
    const size = JSON.stringify(imageManifest(['config', 'layer'])).length;
    const url = `https://images.corp/v2/${image}/manifests/${digest}`;
    const about = { mediaType: imageType, digest, size, length: size, repository: image, url, tag: '1' };
    assert.deepEqual([action, target, actor], ['push', about, { name: 'anonymous' }]);
    const host = new URL(app.url).host;
    assert.deepEqual(request, { id, addr: '127.0.0.1', host, method: 'PUT', useragent: '' });
    assert.deepEqual(Object.keys(source!), ['addr', 'instanceID']);
  });

  it('is told as a CloudEvent, and a tag that it moves as another', async (t) => {
    const { receiver, app, push } = await startWithSink(t, {
      sink: 'format = "cloudevents"\non = ["push", "tag"]',
    });
    const first = await push('1', 'config', 'layer');
    const second = await push('1', 'config', 'other');
    await receiver.took(3);
    assert.deepEqual(typesOf(receiver), [
      'entrepot.manifest.pushed',
      'entrepot.manifest.pushed',
      'entrepot.tag.moved',
    ]);
    const { headers, body } = receiver.taken[2]!;
    assert.equal(headers['content-type'], 'application/cloudevents+json; charset=utf-8');
    assert.equal(headers.authorization, undefined);
    const { specversion, subject, datacontenttype, data, time } = JSON.parse(body);
    assert.deepEqual([specversion, subject], ['1.0', `${image}:1`]);
    assert.equal(datacontenttype, 'application/json');
    assert.equal(new Date(time).toISOString(), time);
    const url = `${app.url}/v2/${image}/manifests/${second}`;
    const moved = { repository: image, tag: '1', digest: second, previous: first, url, actor: 'anonymous' };
    assert.deepEqual(data, moved);
  });

  it('makes an event for each tag, and one without a tag for a push by digest', async (t) => {
    const { receiver, client, push } = await startWithSink(t);
    const digest = await push(sha256(JSON.stringify(imageManifest(['config', 'layer']))), 'config', 'layer');
    await client.manifest(`${digest}?tag=a&tag=b`, imageManifest(['config', 'layer']));
    const taken = await receiver.took(3);
    const tags = taken.map(({ event }) => (event.data as { tag?: string }).tag);
    assert.deepEqual(tags, [undefined, 'a', 'b']);
    assert.equal(new Set(taken.map(({ event }) => event.id)).size, 3);
  });
});

describe('a deletion', () => {
  for (const format of ['distribution', 'cloudevents']) {
    it(`is told of tags and manifests, as ${format}`, async (t) => {
      const { receiver, client, push } = await startWithSink(t, {
        sink: `format = "${format}"\non = ["delete"]`,
      });
      const digest = await push('1', 'config', 'layer');
      assert.equal((await client.send('DELETE', 'manifests/1')).status, 202);
      assert.equal((await client.send('DELETE', 'manifests/1')).status, 404);
      assert.equal((await client.send('DELETE', `manifests/${digest}`)).status, 202);
      const taken = await receiver.took(2);
      const about = taken.map(({ event }) => (event.target ?? event.data) as Record<string, unknown>);
      const actor = format === 'cloudevents' ? { actor: 'anonymous' } : {};
      assert.deepEqual(about, [
        { repository: image, tag: '1', ...actor },
        { repository: image, digest, ...actor },
      ]);
      assert.deepEqual(
        taken.map(({ event }) => event.type),
        Array(2).fill(format === 'cloudevents' ? 'entrepot.deleted' : 'delete'),
      );
    });
  }

  it('of a manifest as a blob takes its tags, and is told as one of the manifest', async (t) => {
    const { receiver, client, push } = await startWithSink(t, {
      sink: 'format = "cloudevents"\non = ["delete"]',
    });
    const digest = await push('1', 'config', 'layer');
    assert.equal((await client.send('DELETE', `blobs/${sha256('layer')}`)).status, 202, 'no event');
    assert.equal((await client.send('DELETE', `blobs/${digest}`)).status, 202);
    assert.equal((await client.send('GET', 'manifests/1')).status, 404);
    const second = await push('2', 'config 2', 'layer 2');
    assert.equal((await client.send('DELETE', `manifests/${second}`)).status, 202);
    const taken = await receiver.took(2);
    assert.deepEqual(
      taken.map(({ event }) => event.data),
      [digest, second].map((one) => ({ repository: image, digest: one, actor: 'anonymous' })),
    );
  });
});

describe('a purge of what is hosted', () => {
  it('is told as deletions, and a purge of what is cached is not', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    registry.putImage('team/app', '1', buildImage({ layers: [2000] }));
    const { receiver, app, push } = await startWithSink(t, {
      sink: 'format = "cloudevents"\non = ["delete"]',
      registries: insecureRegistry(registry.host),
    });
    const cached = `${registry.host}/team/app`;
    assert.equal((await get(`${app.url}/v2/${cached}/manifests/1`)).status, 200);
    const digest = await push('1', 'config', 'layer');
    await push('2', 'config', 'layer');
    const { purge } = app.app.administration;
    await purge(cached, { pinned: false, hosted: true });
    await purge(image, { pinned: false, hosted: false }).catch(() => {});
    await purge(`${image}:2`, { pinned: false, hosted: true });
    await purge(image, { pinned: false, hosted: true });
    const taken = await receiver.took(2);
    assert.deepEqual(
      taken.map(({ event }) => event.data),
      [
        { repository: image, tag: '2', actor: 'command' },
        { repository: image, digest, actor: 'command' },
      ],
    );
  });
});

describe('sinks', () => {
  it('get what they want, and nothing else', async (t) => {
    const { receiver, app, push } = await startWithSink(t, {
      sink: 'format = "cloudevents"\non = ["push"]\nmatch = "images.local/team/*"',
    });
    const other = pusher(app.url, 'images.local/other/app');
    await other.blob('config');
    await other.manifest('1', imageManifest(['config']));
    await push('1', 'config');
    await receiver.took(1);
    assert.deepEqual(receiver.received.length, 1);
    assert.equal((receiver.taken[0]!.event.data as { repository: string }).repository, image);
  });

  it('are other ones after a reload, and what waits belongs to the name', async (t) => {
    const { receiver, app, push } = await startWithSink(t);
    const second = await startEventReceiver(t);
    await receiver.close();
    await push('1', 'config');
    await eventually('it was tried', () => app.log.some(({ event }) => event === 'events.failed'));
    await app.reload({ toml: rules });
    await push('2', 'config');
    await app.reload({ toml: `${rules}${sinkOf(second, 'audit', 'format = "cloudevents"')}` });
    await push('3', 'config');
    await second.took(2);
    const tags = second.taken.map(({ event }) => (event.data as { tag: string }).tag);
    assert.deepEqual(tags, ['1', '3'], 'of the time without a sink nothing was kept');
  });
});

describe('what happens in the cache', () => {
  it('is told: damage that a scrub finds, with the images that link the content', async (t) => {
    const { receiver, app, push } = await startWithSink(t, {
      sink: 'format = "cloudevents"\non = ["damaged"]\nmatch = "images.local/**"',
    });
    await push('1', 'config', 'layer');
    const digest = sha256('layer');
    flipByte(storedFile(app.data, digest as Digest), 0);
    await app.app.administration.scrub(undefined, {});
    const [{ event } = assert.fail()] = await receiver.took(1);
    assert.deepEqual([event.type, event.subject], ['entrepot.scrub.damaged', digest]);
    const { reason, ...about } = event.data as { reason: string };
    assert.deepEqual(about, { digest, repositories: [image], hosted: true });
    assert.equal(reason, 'its file has other bytes');
  });

  it('is told: a push for which a quota has no room, once a minute', async (t) => {
    const { receiver, client } = await startWithSink(t, {
      sink: 'format = "cloudevents"\non = ["quota"]',
      more: '[[cache.quota]]\nmatch = "images.local/team/*"\nmax_size = "1KiB"',
    });
    const refused = () => client.send('POST', `blobs/uploads/?digest=${sha256('x')}`, 'x'.repeat(5000));
    assert.equal((await refused()).status, 403);
    assert.equal((await refused()).status, 403);
    const [{ event } = assert.fail()] = await receiver.took(1);
    assert.deepEqual([event.type, event.subject], ['entrepot.quota.refused', 'images.local/team/*']);
    const data = event.data as { quota: string; repositories: string[]; bytes: number };
    assert.deepEqual([data.quota, data.repositories], ['images.local/team/*', [image]]);
    assert.ok(data.bytes >= 5000);
    assert.equal(receiver.received.length, 1);
  });

  it('is told: a sync that has ended, and a tag that it moved', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const [first, second] = ['one', 'two'].map((seed) => buildImage({ seed, layers: [2000] }));
    const { receiver, app } = await startWithSink(t, {
      sink: 'format = "cloudevents"\non = ["synced", "tag"]',
      more: `[[sync]]\nname = "app"\nsource = "${registry.host}/team/app"`,
      registries: insecureRegistry(registry.host),
    });
    registry.putImage('team/app', '1', first!);
    await app.app.administration.sync([], {});
    registry.putImage('team/app', '1', second!);
    await app.app.administration.sync([], {});
    const taken = await receiver.took(3);
    const finished = taken.filter(({ event }) => event.type === 'entrepot.sync.finished');
    const moved = taken.filter(({ event }) => event.type === 'entrepot.tag.moved');
    assert.deepEqual([finished.length, moved.length], [2, 1]);
    const { bytes, seconds, ...report } = finished[0]!.event.data as Record<string, number>;
    const repositories = [`${registry.host}/team/app`];
    assert.deepEqual(report, { sync: 'app', state: 'done', done: 1, partial: 0, failed: 0, repositories });
    assert.ok(bytes! > 2000 && seconds! >= 0);
    const { repository, tag, digest, previous } = moved[0]!.event.data as Record<string, string>;
    assert.deepEqual([repository, tag], [repositories[0], '1']);
    assert.deepEqual([digest, previous], [second!.digest, first!.digest]);
  });
});

describe('what is only pulled through', () => {
  it('makes no event of a push', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    registry.putImage('team/app', '1', buildImage({ layers: [2000] }));
    const { receiver, app, push } = await startWithSink(t, {
      sink: 'format = "cloudevents"\non = ["push", "tag"]',
      registries: insecureRegistry(registry.host),
    });
    const pulled = await get(`${app.url}/v2/${registry.host}/team/app/manifests/1`);
    assert.equal(pulled.status, 200);
    await push('1', 'config');
    await receiver.took(1);
    assert.equal((receiver.received[0]!.event.data as { repository: string }).repository, image);
  });
});
