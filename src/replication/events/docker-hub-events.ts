/**
 * Webhooks of Docker Hub (Docker docs, "Webhooks"): `{push_data {tag, pushed_at}, repository {repo_name}}`. They tell pushes alone, and
 * neither a digest nor an id.
 */
import { type EventReader, listOf, memberOf, noEvent, textOf } from './sent-event.ts';

/** A push without a tag changes the whole repository. */
export const readDockerHubEvents: EventReader = (body) =>
  listOf(body).map((event) => {
    const repository = textOf(memberOf(event, 'repository'), 'repo_name');
    const pushed = memberOf(event, 'push_data');
    if (repository === undefined || pushed === undefined) return noEvent;
    return {
      kind: 'change',
      change: 'updated',
      id: undefined,
      repository,
      tag: textOf(pushed, 'tag'),
      digest: undefined,
    };
  });
