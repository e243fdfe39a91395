/**
 * Notifications of Quay for a push to a repository (Quay docs, "Repository Notifications"): `{repository, namespace, name, docker_url,
 * updated_tags: [...]}`; older ones have an object with a member for each tag. Its other notifications change no image.
 */
import { isJsonObject } from '../../oci/parse-json.ts';
import {
  type EventReader,
  listOf,
  memberOf,
  noChange,
  noEvent,
  type SentEvent,
  textOf,
} from './sent-event.ts';

/** One event for each tag. They have no id. */
export const readQuayEvents: EventReader = (body) =>
  listOf(body).flatMap((event): SentEvent | readonly SentEvent[] => {
    const repository = textOf(event, 'repository');
    if (repository === undefined) return noEvent;
    const updated = memberOf(event, 'updated_tags');
    const tags = isJsonObject(updated) ? Object.keys(updated) : Array.isArray(updated) ? updated : [];
    const named = tags.filter((tag): tag is string => typeof tag === 'string' && tag !== '');
    if (named.length === 0) return noChange;
    return named.map((tag) => ({
      kind: 'change',
      change: 'updated',
      id: undefined,
      repository,
      tag,
      digest: undefined,
    }));
  });
