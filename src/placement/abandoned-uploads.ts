/** Uploads that a process began and never completed take room in a bucket: those that are a day old are given up. */
import type { Clock, Timer } from '../lib/clock.ts';
import { reasonOf } from '../lib/thrown.ts';
import { digestOfKey } from '../stores/content-key.ts';
import type { Log } from '../telemetry/log.ts';
import type { Bucket } from './bucket.ts';

/** A bucket may have other users. */
const isContent = (key: string): boolean => digestOfKey(key) !== undefined;

export interface AbandonedUploads {
  start(): void;
  /** Resolves when a look under way is over. */
  stop(): Promise<void>;
}

/** ms: of an upload that is given up, and between two looks. */
const day = 24 * 3_600_000;
const lookEvery = 4 * 3_600_000;

/** Nothing happens before `start`. */
export function createAbandonedUploads(
  buckets: readonly Bucket[],
  {
    clock,
    log,
    stop,
  }: { readonly clock: Clock; readonly log: Pick<Log, 'info'>; readonly stop: AbortSignal },
): AbandonedUploads {
  let timer: Timer | undefined;
  let looking: Promise<unknown> | undefined;

  async function look({ name, store }: Bucket): Promise<void> {
    try {
      const given = await store.abortUploads(clock.now() - day, stop, isContent);
      if (given > 0)
        log.info(
          { event: 'placement.uploadsGivenUp', store: name, uploads: given },
          'unfinished uploads were given up',
        );
    } catch (error) {
      // A bucket that is down has the next look; its own rules may do it as well.
      if (!stop.aborted)
        log.info(
          { event: 'placement.uploadsNotSeen', store: name, reason: reasonOf(error) },
          'unfinished uploads were not looked for',
        );
    }
  }

  function lookAtAll(): void {
    if (stop.aborted) return;
    looking = Promise.all(buckets.map(look));
    timer = clock.after(lookEvery, lookAtAll);
  }

  return {
    start: lookAtAll,
    async stop() {
      timer?.cancel();
      await looking;
    },
  };
}
