/** Writes events in the transaction of the change that they tell of. Where no sink wants an event, nothing is read or written for it. */
import type { EventKind } from '../../../config/event-sink.ts';
import { imagesOf, type OutboxEvent } from './outbox-event.ts';

/** Names of the sinks that want events of this kind about one of the images. No image: about none. */
export type WantedBy = (kind: EventKind, images: readonly string[]) => readonly string[];

export interface EventRecorder {
  /** Whether some sink wants such an event: what only an event needs is not read otherwise. */
  wants(kind: EventKind, image: string): boolean;
  /** `at`: epoch ms. Throws what SQLite throws. */
  record(event: OutboxEvent, at: number): void;
}

/** `write` is called within the transaction that is open. */
export function createEventRecorder(
  write: (event: OutboxEvent, sinks: readonly string[], at: number) => void,
  wantedBy: WantedBy,
): EventRecorder {
  return {
    wants: (kind, image) => wantedBy(kind, [image]).length > 0,
    record(event, at) {
      const sinks = wantedBy(event.kind, imagesOf(event));
      if (sinks.length > 0) write(event, sinks, at);
    },
  };
}

/** For an index without sinks. */
export const noEvents: EventRecorder = { wants: () => false, record() {} };
