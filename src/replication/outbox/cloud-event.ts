/** Events as CloudEvents 1.0 in JSON, structured (cloudevents/spec, "JSON Event Format"). */
import type { OutboxEvent, StoredEvent } from '../../cache/index/outbox/outbox-event.ts';
import type { EventKind } from '../../config/event-sink.ts';
import { manifestUrl } from './distribution-envelope.ts';
import type { SenderPlace } from './sender-place.ts';

/** Its `Content-Type`. */
export const cloudEventType = 'application/cloudevents+json; charset=utf-8';

const types: Readonly<Record<EventKind, string>> = {
  push: 'entrepot.manifest.pushed',
  tag: 'entrepot.tag.moved',
  delete: 'entrepot.deleted',
  synced: 'entrepot.sync.finished',
  damaged: 'entrepot.scrub.damaged',
  quota: 'entrepot.quota.refused',
};

/** `source` and `id` together name the event. */
export function cloudEvent({ id, at, event }: StoredEvent, place: SenderPlace): object {
  const subject = subjectOf(event);
  return {
    specversion: '1.0',
    id,
    source: place.publicUrl ?? `//${place.address}`,
    type: types[event.kind],
    ...(subject !== undefined && { subject }),
    time: new Date(at).toISOString(),
    datacontenttype: 'application/json',
    data: dataOf(event, place),
  };
}

function subjectOf(event: OutboxEvent): string | undefined {
  switch (event.kind) {
    case 'push':
    case 'tag':
    case 'delete': {
      const { image, tag, digest } = event;
      return tag === undefined ? `${image}@${digest}` : `${image}:${tag}`;
    }
    case 'synced':
      return event.sync;
    case 'damaged':
      return event.digest;
    case 'quota':
      return event.quota ?? undefined;
  }
}

function dataOf(event: OutboxEvent, place: SenderPlace): object {
  switch (event.kind) {
    case 'push': {
      const { image, tag, digest, mediaType, size, cause } = event;
      const url = manifestUrl(image, digest, cause, place);
      return { repository: image, tag, digest, mediaType, size, url, actor: cause.actor };
    }
    case 'tag': {
      const { image, tag, digest, previous, cause } = event;
      const url = manifestUrl(image, digest, cause, place);
      return { repository: image, tag, digest, previous, url, actor: cause?.actor };
    }
    case 'delete': {
      const { image, tag, digest, cause } = event;
      return { repository: image, tag, digest, actor: cause.actor };
    }
    case 'synced': {
      const { kind: _, images, ...rest } = event;
      return { ...rest, repositories: images };
    }
    case 'damaged': {
      const { digest, images, isHosted, reason } = event;
      return { digest, repositories: images, hosted: isHosted, reason };
    }
    case 'quota': {
      const { quota, images, bytes } = event;
      return { quota, repositories: images, bytes };
    }
  }
}
