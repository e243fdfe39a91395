/** The commands that concern events for other systems. What they give goes out as JSON: times are ISO 8601 texts. */
import { imagesOf, type OutboxEvent } from '../cache/index/outbox/outbox-event.ts';
import type {
  Delivery,
  DeliveryState,
  ListedDelivery,
  OutboxStore,
} from '../cache/index/outbox/outbox-store.ts';
import { parseDuration } from '../config/toml/units.ts';
import { EntrepotError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';

export interface ListedEvent {
  /** Receivers recognize a second delivery by it. */
  readonly id: string;
  readonly sink: string;
  readonly kind: string;
  /** Images, or what the event is about. */
  readonly about: string;
  /** The tag that was pushed, moved or deleted; null where the event is about none. */
  readonly tag: string | null;
  /** When it happened. */
  readonly at: string;
  readonly state: DeliveryState;
  /** Since when it is in this state. */
  readonly since: string;
  readonly tries: number;
  /** Why the last try did not succeed; null before the first. */
  readonly reason: string | null;
  /** When it is tried at the earliest; null: it is dead, or waits for an earlier event of its image. */
  readonly next: string | null;
}

export interface EventSelection {
  readonly sink?: string | undefined;
  /** Those that are not sent again by themselves, instead of those that wait. */
  readonly dead?: boolean | undefined;
}

/** The dead ones, of one sink or of all; or events of one sink since a time, delivered or not. `since` is ISO 8601. */
export type ReplayedEvents =
  | { readonly dead: true; readonly sink?: string | undefined }
  | { readonly sink: string; readonly since: string };

/** Each method throws EntrepotError USAGE for wrong arguments. */
export interface EventCommands {
  /** In the order of sinks, oldest first. The list can be long. */
  list(selection: EventSelection): AsyncIterable<ListedEvent>;
  /** Makes events due now. */
  replay(which: ReplayedEvents): Promise<{ readonly replayed: number }>;
}

export interface EventCommandsDeps {
  readonly outbox: Pick<OutboxStore, 'list' | 'replay'>;
  readonly clock: Pick<Clock, 'now'>;
  /** What tells whether a sink of the configuration wants an event; undefined for an unknown sink. */
  readonly wants: (sink: string) => ((event: OutboxEvent) => boolean) | undefined;
}

/** Events that are read at once: other work gets its turn in between. */
const atOnce = 200;

/** Acts on the outbox of this process. */
export function createEventCommands({ outbox, clock, wants }: EventCommandsDeps): EventCommands {
  async function* each(sink: string | undefined, state: DeliveryState) {
    let after: Delivery | undefined;
    for (;;) {
      const page: readonly ListedDelivery[] = await outbox.list({ sink, state, after, limit: atOnce });
      yield* page.map(listed);
      // A page of a shared outbox may lack rows that are no events.
      if (page.length === 0) return;
      after = page.at(-1);
    }
  }

  return {
    list: ({ sink, dead }) => each(sink, dead === true ? 'dead' : 'waiting'),
    async replay(which) {
      if ('dead' in which) return { replayed: await outbox.replay(which, clock.now()) };
      const { sink } = which;
      const isWanted = wants(sink);
      if (!isWanted) {
        throw new EntrepotError(
          'USAGE',
          `no [[events.out]] has the name ${JSON.stringify(sink.slice(0, 100))}`,
        );
      }
      const age = parseDuration(which.since);
      const since = age === undefined ? Date.parse(which.since) : clock.now() - age;
      if (Number.isNaN(since)) {
        const text = JSON.stringify(which.since.slice(0, 100));
        throw new EntrepotError(
          'USAGE',
          `${text} is no time: write it as 2026-01-31T09:05:00Z, or how long ago, such as 2h`,
        );
      }
      return { replayed: await outbox.replay({ sink, since, wants: isWanted }, clock.now()) };
    },
  };
}

function listed({ event, due, ...delivery }: ListedDelivery): ListedEvent {
  const { id, sink, lane, at, state, since, tries, reason = null } = delivery;
  const about = imagesOf(event).length === 1 ? (imagesOf(event)[0] ?? lane) : lane;
  const tag = ('tag' in event ? event.tag : undefined) ?? null;
  const times = { at: new Date(at).toISOString(), since: new Date(since).toISOString() };
  const next = due === undefined ? null : new Date(due).toISOString();
  return { id, sink, kind: event.kind, about, tag, ...times, state, tries, reason, next };
}
