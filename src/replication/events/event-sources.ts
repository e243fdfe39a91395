/**
 * The `[[events.in]]` of one configuration, each with what becomes of a body that it sends:
 *
 *   body -> events (by its format) -> what is believed of each (judge-event.ts) -> jobs, in one transaction (JobInbox)
 *
 * No registry is asked: jobs do that. What many events ask for is gathered, first by repository and then for the registry as a whole,
 * so that neither one body nor one sender can fill the queue, and no change is lost.
 */
import type { EventFormat, EventSender } from '../../config/event-senders.ts';
import type { InboxBounds, JobInbox } from '../../jobs/job-inbox.ts';
import type { Clock } from '../../lib/clock.ts';
import { namePattern } from '../../lib/name-patterns.ts';
import { readCloudEvents } from './cloud-events.ts';
import { readDistributionEvents } from './distribution-events.ts';
import { readDockerHubEvents } from './docker-hub-events.ts';
import { eventNotices } from './event-jobs.ts';
import { readHarborEvents } from './harbor-events.ts';
import { type Judged, judgeEvent } from './judge-event.ts';
import { readQuayEvents } from './quay-events.ts';
import type { EventReader, HeaderOf } from './sent-event.ts';

export interface EventSource {
  readonly settings: EventSender;
  /** Keeps what a parsed body asks for. Rejects when the index cannot be written; then nothing of it is kept. */
  receive(body: unknown, header: HeaderOf): Promise<Received>;
}

/** What became of the events of one body, in numbers. */
export interface Received {
  readonly accepted: number;
  /** Taken before, in the last seven days. */
  readonly duplicate: number;
  readonly ignored: number;
  /** Why, without what the sender wrote: a few different reasons. */
  readonly reasons: readonly string[];
}

export interface EventSourcesDeps {
  readonly inbox: JobInbox;
  readonly clock: Pick<Clock, 'now'>;
  /** The User-Agent of this server. */
  readonly ownAgent: string | undefined;
}

const readers: Readonly<Record<EventFormat, EventReader>> = {
  distribution: readDistributionEvents,
  harbor: readHarborEvents,
  cloudevents: readCloudEvents,
  dockerhub: readDockerHubEvents,
  quay: readQuayEvents,
};

/** Jobs that one sender may have waiting; ms and number of events that are remembered, some hundred bytes each. */
const bounds: InboxBounds = { waiting: 2000, age: 7 * 24 * 3_600_000, remembered: 200_000 };

/** By name. */
export function createEventSources(
  { inbox, clock, ownAgent }: EventSourcesDeps,
  senders: readonly EventSender[],
): ReadonlyMap<string, EventSource> {
  return new Map(senders.map((sender) => [sender.name, sourceOf(sender)]));

  function sourceOf(sender: EventSender): EventSource {
    const matches = namePattern([sender.match]);
    const read = readers[sender.format];
    return {
      settings: sender,
      async receive(body, header) {
        const now = clock.now();
        const judged = read(body, header).map((event) =>
          judgeEvent(event, { sender, matches, ownAgent, now }),
        );
        const changes = judged.filter((one) => one.kind === 'change');
        const notices = eventNotices(changes, sender);
        const taken = notices.length === 0 ? [] : await inbox.take(notices, bounds, now);
        const duplicate = taken.filter((one) => one === 'known').length;
        const ignored = judged.length - changes.length;
        return { accepted: changes.length - duplicate, duplicate, ignored, reasons: reasonsOf(judged) };
      },
    };
  }
}

function reasonsOf(judged: readonly Judged[]): readonly string[] {
  return [...new Set(judged.flatMap((one) => (one.kind === 'ignored' ? one.why : [])))];
}
