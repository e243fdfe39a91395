/** The `[[events.out]]` in force, and which of them wants an event. */
import type { WantedBy } from '../../cache/index/outbox/event-recorder.ts';
import { imagesOf, type OutboxEvent } from '../../cache/index/outbox/outbox-event.ts';
import type { EventKind, EventSink } from '../../config/event-sink.ts';
import { type NamePattern, namePattern } from '../../lib/name-patterns.ts';

export interface Sinks {
  readonly all: readonly EventSink[];
  /** For each change: with no sink it costs nothing. */
  readonly wantedBy: WantedBy;
  /** What tells whether this sink wants an event; undefined where there is no such sink. */
  wants(name: string): ((event: OutboxEvent) => boolean) | undefined;
  /** Puts other sinks in force. */
  configure(sinks: readonly EventSink[]): void;
}

interface Interest {
  readonly sink: EventSink;
  readonly kinds: ReadonlySet<EventKind>;
  readonly matches: NamePattern | undefined;
}

const none: readonly string[] = [];

/** Events that are about no image are wanted whatever `match` says. */
export function createSinks(first: readonly EventSink[]): Sinks {
  let interests = first.map(interestOf);
  const isWanted = ({ kinds, matches }: Interest, kind: EventKind, images: readonly string[]) =>
    kinds.has(kind) && (images.length === 0 || images.some((image) => matches?.(image) ?? true));

  return {
    get all() {
      return interests.map(({ sink }) => sink);
    },
    wantedBy(kind, images) {
      if (interests.length === 0) return none;
      return interests.filter((one) => isWanted(one, kind, images)).map(({ sink }) => sink.name);
    },
    wants(name) {
      const interest = interests.find(({ sink }) => sink.name === name);
      return interest && ((event) => isWanted(interest, event.kind, imagesOf(event)));
    },
    configure(sinks) {
      interests = sinks.map(interestOf);
    },
  };
}

function interestOf(sink: EventSink): Interest {
  return { sink, kinds: new Set(sink.on), matches: namePattern([sink.match]) };
}
