/**
 * Moves events from the index, where the change that they tell of has written them, to the outbox of all replicas.
 *
 *   queue.queued --> shared.take --> queue.moved
 *                       '--- no answer: told again; an event is known there by its id
 *
 * The database takes each event that this program writes. One that it refuses for its values would hold up all others: it is in the
 * log, and goes.
 */
import type { Clock } from '../../lib/clock.ts';
import { createBell } from '../../lib/flow/bell.ts';
import { workWhenRung } from '../../lib/flow/rung-work.ts';
import { unlessAborted } from '../../lib/flow/unless-aborted.ts';
import { reasonOf } from '../../lib/thrown.ts';
import type { OutboxQueue, QueuedEvent } from '../index/outbox/outbox-store.ts';
import type { RareLog } from '../rare-log.ts';
import { isOfValues, serverStops, Unavailable } from './unavailable.ts';

export interface OutboxMover {
  /** There may be events to move, or PostgreSQL may answer again. */
  look(): void;
  /** What is not moved stays in the index. Never rejects. */
  stop(): Promise<void>;
}

export interface OutboxMoverDeps {
  readonly queue: OutboxQueue;
  readonly take: (events: readonly QueuedEvent[]) => Promise<void>;
  readonly clock: Clock;
  readonly log: RareLog;
  /** Events are there now. */
  readonly moved: () => void;
}

/** Events that are moved in one statement. */
const atOnce = 100;

/** Looks at once. */
export function createOutboxMover({ queue, take, clock, log, moved }: OutboxMoverDeps): OutboxMover {
  const stopping = new AbortController();
  const { signal } = stopping;
  const bell = createBell(clock);

  async function move(some: readonly QueuedEvent[]): Promise<void> {
    try {
      // A server that is frozen must not hold up a stop.
      await unlessAborted(take(some), signal, serverStops);
    } catch (error) {
      if (!isOfValues(error)) throw error;
      if (some.length > 1) {
        for (const one of some) await move([one]);
        return;
      }
      const [{ id, event } = {}] = some;
      const fields = { event: 'events.notMoved', id, kind: event?.kind, reason: reasonOf(error) };
      log.error(fields, 'an event cannot be shared: no sink gets it');
    }
    await queue.moved(some, clock.now());
  }

  async function moveSome(): Promise<number | undefined> {
    const some = await queue.queued(atOnce);
    if (some.length === 0) return undefined;
    await move(some);
    moved();
    return 0;
  }

  function failed(err: unknown): void {
    if (err instanceof Unavailable) return;
    log.error({ event: 'events.storeFailed', err }, 'events cannot be read or written');
  }

  const running = workWhenRung({ bell, work: moveSome, failed, signal });
  return {
    look: bell.ring,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
