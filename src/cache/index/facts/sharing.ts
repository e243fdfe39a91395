/** What this process needs to tell facts: its name among replicas, its clock, and what it rings when something waits to be sent. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../lib/clock.ts';
import { createHybridClock, type HybridClock } from '../../shared/hybrid-clock.ts';
import type { IndexRows } from '../index-rows.ts';

export interface Sharing {
  /** Of this process alone. */
  readonly origin: string;
  readonly clock: HybridClock;
  /** Something waits. Called within the transaction: listeners only take note. */
  waits(): void;
  whenWaiting(listener: () => void): void;
}

/** `last`: the latest stamp that an earlier run has left. */
export function createSharing(
  clock: Pick<Clock, 'now'>,
  last: number,
  origin: string = randomUUID(),
): Sharing {
  const listeners: (() => void)[] = [];
  return {
    origin,
    clock: createHybridClock(clock, last),
    waits() {
      for (const listener of listeners) listener();
    },
    whenWaiting: (listener) => void listeners.push(listener),
  };
}

const originKey = 'facts-origin';

/**
 * Calls `use` with the origin of the process that had this index before, and then notes that of this one: after a kill in between, the next
 * start does the same again. Throws what SQLite throws.
 */
export function replaceOrigin(
  rows: Pick<IndexRows, 'meta' | 'setMeta'>,
  origin: string,
  use: (before: string | undefined) => void,
): void {
  use(rows.meta(originKey));
  rows.setMeta(originKey, origin);
}
