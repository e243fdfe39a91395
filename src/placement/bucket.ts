/**
 * One bucket of the configuration: which images it is for, how fast it may be filled, and whether writes to it work. Reads have a breaker
 * of their own (`upstream/health/`).
 *
 *   works --a write fails--> pauses: 5 s, twice as long after each failure, 5 minutes at most --a write succeeds--> works
 */

import type { StorePlacement } from '../config/store-config.ts';
import type { Clock } from '../lib/clock.ts';
import { backoff } from '../lib/flow/backoff.ts';
import { type NamePattern, namePattern } from '../lib/name-patterns.ts';
import { reasonOf } from '../lib/thrown.ts';
import type { ObjectStore } from '../stores/object-store.ts';
import { StoreError } from '../stores/object-store.ts';
import type { Log } from '../telemetry/log.ts';

export interface Bucket {
  readonly name: string;
  readonly store: ObjectStore;
  readonly settings: StorePlacement;
  /** Whether it is for one of the images. Content of no image is for each bucket that is for all. */
  isFor(images: readonly string[]): boolean;
  /** Milliseconds until a write may be tried; 0: now. */
  pausedFor(): number;
  worked(): void;
  /** Gives the ms for which it pauses. */
  failed(error: unknown): number;
}

const pauses = { first: 5_000, most: 300_000 };

/** It is taken to work until a write fails. */
export function createBucket(
  store: ObjectStore,
  settings: StorePlacement,
  { clock, log }: { readonly clock: Clock; readonly log: Pick<Log, 'info' | 'warn'> },
): Bucket {
  const { name } = store;
  const isMeant: NamePattern | undefined = namePattern(settings.match);
  let failures = 0;
  let pausedUntil = Number.NEGATIVE_INFINITY;

  return {
    name,
    store,
    settings,
    isFor: (images) => !isMeant || images.some(isMeant),
    pausedFor: () => Math.max(0, pausedUntil - clock.monotonic()),
    worked() {
      if (failures > 0)
        log.info({ event: 'placement.bucketWorks', store: name }, 'a bucket takes content again');
      failures = 0;
      pausedUntil = Number.NEGATIVE_INFINITY;
    },
    failed(error) {
      const asked = error instanceof StoreError ? (error.retryAfter ?? 0) : 0;
      failures += 1;
      const pause = Math.max(asked, backoff(failures, pauses));
      if (failures === 1) {
        const reason = reasonOf(error);
        log.warn(
          { event: 'placement.bucketFails', store: name, reason },
          'a bucket takes no content for now: uploads wait for it',
        );
      }
      pausedUntil = Math.max(pausedUntil, clock.monotonic() + pause);
      return pause;
    },
  };
}
