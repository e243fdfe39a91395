/**
 * Webhooks of Harbor in its own format (Harbor docs, "Configure Webhook Notifications"; `notifier/model/event.go`):
 * `{type, occur_at, operator, event_data {resources [{digest, tag}], repository {repo_full_name}}}`. The tag of an artifact that has none
 * is its digest.
 */
import {
  type EventReader,
  listOf,
  memberOf,
  noChange,
  noEvent,
  type SentEvent,
  textOf,
} from './sent-event.ts';

const changes = new Map<string, 'updated' | 'deleted'>([
  ['PUSH_ARTIFACT', 'updated'],
  ['CREATE_TAG', 'updated'],
  ['DELETE_ARTIFACT', 'deleted'],
  ['DELETE_TAG', 'deleted'],
  // Before Harbor 2.0.
  ['pushImage', 'updated'],
  ['deleteImage', 'deleted'],
]);

/** An event has no id: its type, its second and what it names tell it from others. */
export const readHarborEvents: EventReader = (body) =>
  listOf(body).flatMap((event) => {
    const type = textOf(event, 'type');
    if (type === undefined) return noEvent;
    const change = changes.get(type);
    const second = memberOf(event, 'occur_at');
    const id = typeof second === 'number' ? `${type} ${second}` : undefined;
    return change === undefined ? noChange : readHarborData(memberOf(event, 'event_data'), change, id);
  });

/** `event_data`, which is also the data of Harbor's CloudEvents: one event for each of its resources. */
export function readHarborData(
  data: unknown,
  change: 'updated' | 'deleted',
  id: string | undefined,
): readonly SentEvent[] {
  const repository = textOf(memberOf(data, 'repository'), 'repo_full_name');
  const resources = memberOf(data, 'resources');
  if (repository === undefined || !Array.isArray(resources)) return [noEvent];
  return resources.map((resource) => {
    const tag = textOf(resource, 'tag');
    const isDigest = tag?.includes(':') ?? false;
    const digest = textOf(resource, 'digest') ?? (isDigest ? tag : undefined);
    return { kind: 'change', change, id, repository, tag: isDigest ? undefined : tag, digest };
  });
}
