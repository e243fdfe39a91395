/** What each format says, by samples after the documentation and the sources of each sender. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readCloudEvents } from '../../../../src/replication/events/cloud-events.ts';
import { readDistributionEvents } from '../../../../src/replication/events/distribution-events.ts';
import { readDockerHubEvents } from '../../../../src/replication/events/docker-hub-events.ts';
import { readHarborEvents } from '../../../../src/replication/events/harbor-events.ts';
import { readQuayEvents } from '../../../../src/replication/events/quay-events.ts';
import type { EventReader } from '../../../../src/replication/events/sent-event.ts';

const digest = 'sha256:fea8895f450959fa676bcc1df0611ea93823a735a01205fd8622846041d0c7cf';
const other = 'sha256:dde8e930c7b6a490f728e66292bc9bce42efc9bbb5278bae40e4f30f6e00fe8c';

/** The changes in short: `+repository:tag@digest`, or `-` for what was deleted; an ignored event is `none`. */
function inShort(read: EventReader, body: unknown, headers: Record<string, string> = {}): readonly string[] {
  return read(body, (name) => headers[name]).map((event) => {
    if (event.kind === 'ignored') return 'none';
    const { change, repository, tag, digest } = event;
    const rest = `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
    return `${change === 'updated' ? '+' : '-'}${repository}${rest}`;
  });
}

function idsOf(read: EventReader, body: unknown, headers: Record<string, string> = {}) {
  return read(body, (name) => headers[name]).map((event) => (event.kind === 'change' ? event.id : 'none'));
}

describe('notifications of distribution', () => {
  const request = {
    id: '6d4dba65-3ee7-4c1e-a2a8-8c6c4a1b2c3d',
    addr: '192.168.64.11:42961',
    host: '192.168.100.227:5000',
    method: 'PUT',
    useragent: 'curl/7.38.0',
  };
  const source = { addr: 'registry-7c6:5000', instanceID: 'a53db899-3b4b-4a62-a067-8dd013beaca4' };
  const pushOfManifest = {
    id: '320678d8-ca14-430f-8bb6-4ca139cd83f7',
    timestamp: '2016-03-09T14:44:26.402973972-08:00',
    action: 'push',
    target: {
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      digest,
      size: 708,
      length: 708,
      repository: 'hello-world',
      url: `http://192.168.100.227:5000/v2/hello-world/manifests/${digest}`,
      tag: 'latest',
    },
    request,
    actor: { name: 'ci' },
    source,
  };
  const pushOfBlob = {
    ...pushOfManifest,
    target: {
      mediaType: 'application/octet-stream',
      size: 977,
      digest: other,
      length: 977,
      repository: 'hello-world',
      url: `http://192.168.100.227:5000/v2/hello-world/blobs/${other}`,
    },
  };
  const deletion = (target: object) => ({ id: 'd1', action: 'delete', target, request, actor: {}, source });
  const read = (...events: unknown[]) => inShort(readDistributionEvents, { events });

  it('tell pushes of manifests, by tag or by digest alone, and not those of blobs', () => {
    assert.deepEqual(read(pushOfManifest, pushOfBlob), [`+hello-world:latest@${digest}`, 'none']);
    const { tag: _tag, ...target } = pushOfManifest.target;
    assert.deepEqual(read({ ...pushOfManifest, target }), [`+hello-world@${digest}`]);
    const mediaType = 'application/vnd.oci.image.index.v1+json; charset=utf-8';
    assert.deepEqual(read({ ...pushOfManifest, target: { ...target, mediaType } }), [
      `+hello-world@${digest}`,
    ]);
  });

  it('tell pulls and mounts of blobs, which change nothing', () => {
    const mount = {
      ...pushOfBlob,
      action: 'mount',
      target: { ...pushOfBlob.target, fromRepository: 'library/alpine' },
    };
    assert.deepEqual(read({ ...pushOfManifest, action: 'pull' }, mount), ['none', 'none']);
  });

  it('tell deletions of a tag, a digest, a repository', () => {
    const repository = 'group/project/image';
    const targets = [{ repository, tag: 'v1' }, { repository, digest }, { repository }];
    assert.deepEqual(read(...targets.map(deletion)), [
      '-group/project/image:v1',
      `-group/project/image@${digest}`,
      '-group/project/image',
    ]);
  });

  it('keep the id, and the client that pushed', () => {
    const [event] = readDistributionEvents({ events: [pushOfManifest] }, () => undefined);
    assert.ok(event?.kind === 'change');
    assert.deepEqual([event.id, event.agent], ['320678d8-ca14-430f-8bb6-4ca139cd83f7', 'curl/7.38.0']);
  });

  it('may be a bare event, or a list', () => {
    assert.deepEqual(inShort(readDistributionEvents, pushOfManifest), [`+hello-world:latest@${digest}`]);
    assert.deepEqual(inShort(readDistributionEvents, [pushOfManifest, 7]), [
      `+hello-world:latest@${digest}`,
      'none',
    ]);
  });
});

describe('webhooks of Harbor', () => {
  const repository = {
    date_created: 1677053165,
    name: 'busybox',
    namespace: 'library',
    repo_full_name: 'library/busybox',
    repo_type: 'public',
  };
  const resource = (tag: string, of = digest) => ({
    digest: of,
    tag,
    resource_url: `harbor.dev/library/busybox:${tag}`,
  });
  const event = (type: string, ...resources: object[]) => ({
    type,
    occur_at: 1678082303,
    operator: 'admin',
    event_data: { resources, repository },
  });

  it('tell pushes and deletions of artifacts, one for each tag', () => {
    assert.deepEqual(inShort(readHarborEvents, event('PUSH_ARTIFACT', resource('v1'))), [
      `+library/busybox:v1@${digest}`,
    ]);
    assert.deepEqual(
      inShort(readHarborEvents, event('DELETE_ARTIFACT', resource('v1'), resource('v2', other))),
      [`-library/busybox:v1@${digest}`, `-library/busybox:v2@${other}`],
    );
  });

  it('name the digest as the tag of an artifact without one', () => {
    assert.deepEqual(inShort(readHarborEvents, event('PUSH_ARTIFACT', resource(digest))), [
      `+library/busybox@${digest}`,
    ]);
  });

  it('of other types change nothing', () => {
    for (const type of [
      'PULL_ARTIFACT',
      'QUOTA_EXCEED',
      'REPLICATION',
      'TAG_RETENTION',
      'SCANNING_COMPLETED',
    ])
      assert.deepEqual(inShort(readHarborEvents, event(type, resource('v1'))), ['none'], type);
  });

  it('are told apart by type and second', () => {
    assert.deepEqual(idsOf(readHarborEvents, event('PUSH_ARTIFACT', resource('v1'))), [
      'PUSH_ARTIFACT 1678082303',
    ]);
  });

  it('may be CloudEvents', () => {
    const cloud = (type: string, tag: string) => ({
      specversion: '1.0',
      requestid: '2eedfab8-61d3-4f3c-8ec3-8f82d1ec4c84',
      id: '4b2f89a6-548d-4c12-9993-a1f5790b97d2',
      source: '/projects/1/webhook/policies/3',
      type,
      datacontenttype: 'application/json',
      time: '2023-03-06T06:08:43Z',
      data: { resources: [resource(tag)], repository },
      operator: 'robot$library+scanner',
    });
    assert.deepEqual(inShort(readCloudEvents, cloud('harbor.artifact.pushed', 'v1')), [
      `+library/busybox:v1@${digest}`,
    ]);
    assert.deepEqual(inShort(readCloudEvents, cloud('harbor.artifact.deleted', digest)), [
      `-library/busybox@${digest}`,
    ]);
    assert.deepEqual(inShort(readCloudEvents, cloud('harbor.artifact.pulled', 'v1')), ['none']);
    assert.deepEqual(idsOf(readCloudEvents, cloud('harbor.artifact.pushed', 'v1')), [
      '/projects/1/webhook/policies/3 4b2f89a6-548d-4c12-9993-a1f5790b97d2',
    ]);
    const batch = [cloud('harbor.artifact.pushed', 'v1'), cloud('harbor.quota.exceeded', 'v1')];
    assert.deepEqual(inShort(readCloudEvents, batch), [`+library/busybox:v1@${digest}`, 'none']);
  });
});

describe('events of zot', () => {
  const headers = (type: string) => ({
    'ce-specversion': '1.0',
    'ce-id': '0c7a8d4e-0f0a-4d55-8b0c-1a2b3c4d5e6f',
    'ce-source': 'zotregistry.dev',
    'ce-type': type,
    'content-type': 'application/json',
  });
  const data = (reference: string) => ({
    name: 'team/golang',
    reference,
    digest,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    manifest: '{"schemaVersion":2}',
  });

  it('are CloudEvents with their attributes in headers', () => {
    const updated = headers('zotregistry.image.updated');
    assert.deepEqual(inShort(readCloudEvents, data('1.20'), updated), [`+team/golang:1.20@${digest}`]);
    assert.deepEqual(inShort(readCloudEvents, data(digest), updated), [`+team/golang@${digest}`]);
    assert.deepEqual(inShort(readCloudEvents, data('1.20'), headers('zotregistry.image.deleted')), [
      `-team/golang:1.20@${digest}`,
    ]);
    assert.deepEqual(idsOf(readCloudEvents, data('1.20'), updated), [
      'zotregistry.dev 0c7a8d4e-0f0a-4d55-8b0c-1a2b3c4d5e6f',
    ]);
  });

  it('of other types change nothing', () => {
    for (const type of ['zotregistry.repository.created', 'zotregistry.image.lint_failed'])
      assert.deepEqual(inShort(readCloudEvents, { name: 'team/golang' }, headers(type)), ['none'], type);
  });
});

describe('events of another Entrepot', () => {
  it('name images with their registry', () => {
    const event = (type: string, data: object) => ({
      specversion: '1.0',
      id: '0198-1',
      source: 'https://e1.corp:5000',
      type,
      data: { repository: 'images.local/team/app', ...data },
    });
    const bodies = [
      event('entrepot.manifest.pushed', { tag: 'v1', digest }),
      event('entrepot.tag.moved', { tag: 'v1', digest, previous: other }),
      event('entrepot.deleted', { tag: 'v1' }),
      event('entrepot.sync.finished', {}),
    ];
    assert.deepEqual(inShort(readCloudEvents, bodies), [
      `+images.local/team/app:v1@${digest}`,
      `+images.local/team/app:v1@${digest}`,
      '-images.local/team/app:v1',
      'none',
    ]);
  });
});

describe('webhooks of Docker Hub', () => {
  it('tell the tag that was pushed', () => {
    const body = {
      callback_url: 'https://registry.hub.docker.com/u/team/app/hook/2141b5bi5i5b02bec211i4eeih0242eg11000a/',
      push_data: { pushed_at: 1417566161, pusher: 'trustedbuilder', tag: 'latest' },
      repository: {
        is_private: true,
        name: 'app',
        namespace: 'team',
        owner: 'team',
        repo_name: 'team/app',
        repo_url: 'https://registry.hub.docker.com/u/team/app/',
        status: 'Active',
      },
    };
    assert.deepEqual(inShort(readDockerHubEvents, body), ['+team/app:latest']);
    assert.deepEqual(idsOf(readDockerHubEvents, body), [undefined]);
  });
});

describe('notifications of Quay', () => {
  const body = {
    name: 'app',
    repository: 'team/app',
    namespace: 'team',
    docker_url: 'quay.io/team/app',
    homepage: 'https://quay.io/repository/team/app',
  };

  it('tell the tags that were pushed, in both of their forms', () => {
    assert.deepEqual(inShort(readQuayEvents, { ...body, updated_tags: ['latest', 'v1'] }), [
      '+team/app:latest',
      '+team/app:v1',
    ]);
    assert.deepEqual(inShort(readQuayEvents, { ...body, updated_tags: { latest: 'b750fe79' } }), [
      '+team/app:latest',
    ]);
  });

  it('of another kind change nothing', () => {
    assert.deepEqual(inShort(readQuayEvents, { ...body, build_id: '296ec063', docker_tags: ['latest'] }), [
      'none',
    ]);
  });
});
