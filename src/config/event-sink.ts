/** `[[events.out]]`: receivers of events about what happens here. */

/** The words of `on`. */
export const eventKinds = ['push', 'tag', 'delete', 'synced', 'damaged', 'quota'] as const;
export type EventKind = (typeof eventKinds)[number];

/** `distribution`: the notifications of distribution, which know pushes and deletions alone. `cloudevents`: CloudEvents 1.0. */
export const sinkFormats = ['distribution', 'cloudevents'] as const;
export type SinkFormat = (typeof sinkFormats)[number];

/** One `[[events.out]]`. */
export interface EventSink {
  /** Of this sink alone: events that wait belong to it. */
  readonly name: string;
  /** Without user info. */
  readonly url: string;
  readonly format: SinkFormat;
  /** Absolute path of a file with the value of `Authorization`, which is the key of the signature as well. */
  readonly secretFile: string | undefined;
  /** At least one. */
  readonly on: readonly EventKind[];
  /** Glob over `registry/repository`; events about other images are not sent. */
  readonly match: string;
  /** Milliseconds until the headers of the answer. */
  readonly timeout: number;
}
