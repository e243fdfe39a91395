/** The two formats of events, where what they are made of is unusual or hostile. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventCause, OutboxEvent } from '../../../../src/cache/index/outbox/outbox-event.ts';
import { cloudEvent } from '../../../../src/replication/outbox/cloud-event.ts';
import { distributionEnvelope } from '../../../../src/replication/outbox/distribution-envelope.ts';
import { named } from '../../../contract/index-fixture.ts';

const at = Date.UTC(2026, 0, 31, 9, 5, 7, 123);
const place = { publicUrl: undefined, address: '127.0.0.1:5000', instance: 'i' };
const digest = named('x');
const image = 'images.local/team/app';

function pushBy(more: Partial<EventCause>): OutboxEvent {
  const cause = { actor: 'ci', address: '::1', host: 'e.test', isTls: true, method: 'PUT', userAgent: '' };
  return { kind: 'push', image, digest, mediaType: 'm', size: 1, cause: { ...cause, ...more } };
}

function urlOf(event: OutboxEvent, publicUrl?: string): string {
  const told = distributionEnvelope({ id: 'e', at, event }, { ...place, publicUrl }) as {
    events: [{ target: { url: string } }];
  };
  return told.events[0].target.url;
}

describe('the url of an event', () => {
  const path = `/v2/${image}/manifests/${digest}`;

  it('has the host that the client has used, or the public one', () => {
    assert.equal(urlOf(pushBy({})), `https://e.test${path}`);
    assert.equal(urlOf(pushBy({ host: '[::1]:5000', isTls: false })), `http://[::1]:5000${path}`);
    assert.equal(urlOf(pushBy({}), 'https://images.corp/x'), `https://images.corp/x${path}`);
  });

  for (const host of [
    '',
    'evil.test/path',
    'user:pass@evil.test',
    'a b',
    'evil.test?x=',
    '"><script>',
    'x:999999',
  ]) {
    it(`does not repeat the Host header ${JSON.stringify(host)}`, () => {
      assert.equal(urlOf(pushBy({ host })), `https://127.0.0.1:5000${path}`);
    });
  }
});

describe('distribution', () => {
  it('has no form for other kinds', () => {
    const quota: OutboxEvent = { kind: 'quota', quota: null, images: [], bytes: 1 };
    assert.equal(distributionEnvelope({ id: 'e', at, event: quota }, place), undefined);
  });
});

describe('CloudEvents', () => {
  it('name where they come from, when, and what they are about', () => {
    const told = (event: OutboxEvent, publicUrl?: string) => {
      const { source, type, subject, time } = cloudEvent(
        { id: 'e', at, event },
        { ...place, publicUrl },
      ) as Record<string, string>;
      assert.equal(time, '2026-01-31T09:05:07.123Z');
      return [source, type, subject];
    };
    assert.deepEqual(told(pushBy({})), [
      '//127.0.0.1:5000',
      'entrepot.manifest.pushed',
      `${image}@${digest}`,
    ]);
    assert.deepEqual(told({ kind: 'quota', quota: null, images: [], bytes: 1 }, 'https://e.test'), [
      'https://e.test',
      'entrepot.quota.refused',
      undefined,
    ]);
    const damaged = { kind: 'damaged', digest, images: [], isHosted: false, reason: 'r' } as const;
    assert.deepEqual(told(damaged).slice(1), ['entrepot.scrub.damaged', digest]);
  });
});
