/**
 * Notifications of the distribution registry, 2 and 3, and so of GitLab's (distribution docs, "Notifications", `notifications/event.go`):
 * `{"events": [{id, action, target {mediaType, digest, repository, tag}, request {useragent}}]}`.
 *
 *   push, mount of a manifest    mediaType is one of a manifest, or a tag is named
 *   push of a blob, pull         no change
 *   delete                       of a tag, of a digest (blob or manifest), or of the repository
 */
import { bareMediaType, isManifestType } from '../../oci/media-types.ts';
import {
  type EventReader,
  listOf,
  memberOf,
  noChange,
  noEvent,
  type SentEvent,
  textOf,
} from './sent-event.ts';

/** Also takes events without the envelope, alone or in a list. */
export const readDistributionEvents: EventReader = (body) => {
  const enveloped = memberOf(body, 'events');
  return listOf(enveloped === undefined ? body : enveloped).map(readEvent);
};

function readEvent(event: unknown): SentEvent {
  const target = memberOf(event, 'target');
  const repository = textOf(target, 'repository');
  const action = textOf(event, 'action');
  if (action === undefined || repository === undefined) return noEvent;
  const tag = textOf(target, 'tag');
  const about = {
    id: textOf(event, 'id'),
    repository,
    tag,
    digest: textOf(target, 'digest'),
    agent: textOf(memberOf(event, 'request'), 'useragent'),
  };
  const isManifest = isManifestType(bareMediaType(textOf(target, 'mediaType') ?? ''));
  switch (action) {
    case 'push':
    case 'mount':
      return isManifest || tag !== undefined ? { kind: 'change', change: 'updated', ...about } : noChange;
    case 'delete':
      return { kind: 'change', change: 'deleted', ...about };
    default:
      return noChange;
  }
}
