/** `[[events.out]]`: what happens here, told to other systems. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { AppDeps } from '../../src/app.ts';
import { startApp } from '../support/app.ts';
import { type EventReceiver, startEventReceiver } from '../support/event-receiver.ts';
import { eventually } from '../support/eventually.ts';
import { imageManifest, imageType, pusher, sha256 } from '../support/pusher.ts';
import { tempFolder } from '../support/temp-folder.ts';

const image = 'images.local/team/app';
const secret = 'Bearer 4f0c9a6d21be';
const rules = `
[access]
anonymous = ["pull", "push", "delete"]
[[push]]
match = "images.local/**"
mode = "local"
delete = true
`;

interface Started {
  /** Lines of the `[[events.out]]`. */
  readonly sink?: string;
  readonly more?: string;
  readonly deps?: Partial<AppDeps>;
}

function sinkOf({ url }: Pick<EventReceiver, 'url'>, name: string, lines: string): string {
  return `[[events.out]]\nname = "${name}"\nurl = "${url}/hook"\n${lines}\n`;
}

/** An app with one sink, and a client that pushes to it. */
async function start(t: TestContext, { sink = '', more = '', deps = {} }: Started = {}) {
  const receiver = await startEventReceiver(t);
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'secret'), `${secret}\n`);
  const toml = `${rules}${more}\n${sinkOf(receiver, 'audit', sink || 'format = "cloudevents"')}`;
  const app = await startApp(t, { registries: '', toml, folder }, deps);
  const client = pusher(app.url, image);
  return {
    receiver,
    app,
    client,
    /** Pushes an image of these texts. Gives its digest. */
    async push(reference: string, ...blobs: readonly string[]): Promise<string> {
      for (const blob of blobs) await client.blob(blob);
      const json = imageManifest(blobs);
      const { status, body } = await client.manifest(reference, json);
      assert.equal(status, 201, body.toString());
      return sha256(JSON.stringify(json));
    },
  };
}

function typesOf({ taken }: EventReceiver): string[] {
  return taken.map(({ event }) => event.type);
}

describe('a push', () => {
  it('is told as distribution tells it, with the secret and a signature', async (t) => {
    const { receiver, app, push } = await start(t, {
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
    const { receiver, app, push } = await start(t, { sink: 'format = "cloudevents"\non = ["push", "tag"]' });
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
    const { receiver, client, push } = await start(t);
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
      const { receiver, client, push } = await start(t, { sink: `format = "${format}"\non = ["delete"]` });
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
});

describe('sinks', () => {
  it('get what they want, and nothing else', async (t) => {
    const { receiver, app, push } = await start(t, {
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
    const { receiver, app, push } = await start(t);
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
