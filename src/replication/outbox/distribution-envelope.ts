/**
 * Events as distribution sends them (distribution docs, "Notifications"; `notifications/event.go`): an envelope with one event. Its
 * `repository` is the path below `/v2/` at this server, registry included: `docker.io/library/alpine`.
 */
import type { EventCause, OutboxEvent, StoredEvent } from '../../cache/index/outbox/outbox-event.ts';
import type { SenderPlace } from './sender-place.ts';

/** The `Content-Type` of distribution 3. */
export const envelopeType = 'application/vnd.docker.distribution.events.v2+json';

/** Undefined for an event that this format has no action for: it came before the format of the sink was changed. */
export function distributionEnvelope({ id, at, event }: StoredEvent, place: SenderPlace): object | undefined {
  if (event.kind !== 'push' && event.kind !== 'delete') return undefined;
  const { cause } = event;
  const { actor: name, address: addr, host, method, userAgent: useragent } = cause;
  const told = {
    id,
    timestamp: new Date(at).toISOString(),
    action: event.kind,
    target: targetOf(event, place),
    request: { id, addr, host, method, useragent },
    actor: { name },
    source: { addr: place.address, instanceID: place.instance },
  };
  return { events: [told] };
}

function targetOf(event: Extract<OutboxEvent, { kind: 'push' | 'delete' }>, place: SenderPlace): object {
  const { image: repository, tag, digest } = event;
  if (event.kind === 'delete')
    return { ...(digest && { digest }), repository, ...(tag !== undefined && { tag }) };
  const { mediaType, size } = event;
  const url = manifestUrl(repository, event.digest, event.cause, place);
  return { mediaType, digest, size, length: size, repository, url, ...(tag !== undefined && { tag }) };
}

/** Where the manifest can be pulled. */
export function manifestUrl(
  image: string,
  digest: string,
  cause: EventCause | undefined,
  place: SenderPlace,
): string {
  return `${baseUrl(cause, place)}/v2/${image}/manifests/${digest}`;
}

/** The Host header is the client's word: it must have the form of one. */
function baseUrl(cause: EventCause | undefined, { publicUrl, address }: SenderPlace): string {
  if (publicUrl !== undefined) return publicUrl;
  const host = /^[A-Za-z0-9.-]+(?::\d{1,5})?$|^\[[0-9a-fA-F:.]+\](?::\d{1,5})?$/.exec(cause?.host ?? '')?.[0];
  return `${cause?.isTls ? 'https' : 'http'}://${host ?? address}`;
}
