/** What this process needs to tell facts: its name among replicas, its clock, and what it rings when something waits to be sent. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../lib/clock.ts';
import { createHybridClock, type HybridClock } from '../../shared/hybrid-clock.ts';

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
