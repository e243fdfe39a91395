/** `[[events.in]]`: registries that tell this server of changes. */
export const eventFormats = ['distribution', 'harbor', 'cloudevents', 'dockerhub', 'quay'] as const;

/** `cloudevents`: zot, Harbor's CloudEvents, another Entrepot. `harbor`: Harbor's own format. */
export type EventFormat = (typeof eventFormats)[number];

/** One `[[events.in]]`. */
export interface EventSender {
  /** Of this sender alone: the path is `/events/NAME`. */
  readonly name: string;
  readonly format: EventFormat;
  /** Absolute path of a file with the secret. */
  readonly secretFile: string;
  /** In lower case: the header with HMAC-SHA256 of the body. */
  readonly signatureHeader: string;
  /** Whether `/events/NAME/SECRET` is accepted. */
  readonly secretInPath: boolean;
  /** `host[:port]` that all its events are about, whatever they say. */
  readonly registry: string;
  /** Glob over `registry/repository`; events about others are ignored. */
  readonly match: string;
}
