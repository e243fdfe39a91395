/**
 * CloudEvents 1.0 over HTTP (cloudevents/spec, "HTTP Protocol Binding"), in its three modes:
 *
 *   binary       attributes in `ce-*` headers, the body is the data      zot
 *   structured   one object with attributes and `data`                   Harbor, Entrepot
 *   batched      a list of such objects
 *
 * The body tells structured from binary, since some proxies rewrite Content-Type.
 */
import { readHarborData } from './harbor-events.ts';
import {
  type EventReader,
  listOf,
  memberOf,
  noChange,
  noEvent,
  type SentEvent,
  textOf,
} from './sent-event.ts';

type ReadData = (data: unknown, id: string | undefined) => readonly SentEvent[];

/** By `type`: zot's (`extensions/events`), Harbor's (`notifier/formats/cloudevents.go`), our own. All others change no image. */
const readers = new Map<string, ReadData>([
  ['zotregistry.image.updated', (data, id) => [readZotData(data, 'updated', id)]],
  ['zotregistry.image.deleted', (data, id) => [readZotData(data, 'deleted', id)]],
  ['harbor.artifact.pushed', (data, id) => readHarborData(data, 'updated', id)],
  ['harbor.tag.created', (data, id) => readHarborData(data, 'updated', id)],
  ['harbor.artifact.deleted', (data, id) => readHarborData(data, 'deleted', id)],
  ['harbor.tag.deleted', (data, id) => readHarborData(data, 'deleted', id)],
  ['entrepot.manifest.pushed', (data, id) => [readOwnData(data, 'updated', id)]],
  ['entrepot.tag.moved', (data, id) => [readOwnData(data, 'updated', id)]],
  ['entrepot.deleted', (data, id) => [readOwnData(data, 'deleted', id)]],
]);

/** Events of other types count as no change. */
export const readCloudEvents: EventReader = (body, header) => {
  const isWhole = Array.isArray(body) || memberOf(body, 'specversion') !== undefined;
  if (isWhole) {
    return listOf(body).flatMap((event) =>
      readTyped(
        textOf(event, 'type'),
        memberOf(event, 'data'),
        idOf(textOf(event, 'source'), textOf(event, 'id')),
      ),
    );
  }
  return readTyped(header('ce-type'), body, idOf(header('ce-source'), header('ce-id')));
};

function readTyped(type: string | undefined, data: unknown, id: string | undefined): readonly SentEvent[] {
  if (type === undefined) return [noEvent];
  return readers.get(type)?.(data, id) ?? [noChange];
}

/** Source and id together name an event. */
function idOf(source: string | undefined, id: string | undefined): string | undefined {
  return id === undefined ? undefined : `${source ?? ''} ${id}`;
}

/** `{name, reference, digest, mediaType, manifest}`. */
function readZotData(data: unknown, change: 'updated' | 'deleted', id: string | undefined): SentEvent {
  const repository = textOf(data, 'name');
  if (repository === undefined) return noEvent;
  const reference = textOf(data, 'reference');
  const isDigest = reference?.includes(':') ?? false;
  const digest = textOf(data, 'digest') ?? (isDigest ? reference : undefined);
  return { kind: 'change', change, id, repository, tag: isDigest ? undefined : reference, digest };
}

/** Of another Entrepot: `{repository, tag, digest}`. */
function readOwnData(data: unknown, change: 'updated' | 'deleted', id: string | undefined): SentEvent {
  const repository = textOf(data, 'repository');
  if (repository === undefined) return noEvent;
  const [tag, digest] = [textOf(data, 'tag'), textOf(data, 'digest')];
  return { kind: 'change', change, id, repository, tag, digest };
}
