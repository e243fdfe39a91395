/**
 * What is still to be done about one bucket, done: a few contents at a time, the most urgent first. The index keeps the list, so a kill
 * loses nothing. It sleeps until the next one is due, and while the bucket pauses.
 *
 *   wake, a content that is over, a timer --> look: take as many as fit --> place-content.ts
 *                                                \--> set a timer for the next one
 */
import type { Placement, PlacementStore } from '../cache/index/placements/placement-store.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import type { Digest } from '../oci/digest.ts';
import type { Log } from '../telemetry/log.ts';
import type { Bucket } from './bucket.ts';

export interface QueueDeps {
  readonly placements: PlacementStore;
  readonly clock: Clock;
  readonly log: Pick<Log, 'error'>;
  /** Does what one placement needs. Rejects when the index cannot be written. */
  readonly place: (bucket: Bucket, placement: Placement) => Promise<void>;
}

export interface Queue {
  /** Something may be due. */
  wake(): void;
  /** Takes no more; resolves when what is under way is over. */
  stop(): Promise<void>;
}

/** Contents at once, and those that wait behind them in memory. */
const atOnce = 4;
/** ms: after the index failed, and after which it is looked at again whatever it says. */
const indexRetry = 30_000;
const longestSleep = 3_600_000;

/** Nothing happens before the first `wake`. */
export function createQueue(bucket: Bucket, { placements, clock, log, place }: QueueDeps): Queue {
  const running = new Map<Digest, Promise<void>>();
  let timer: Timer | undefined;
  let looking: Promise<void> | undefined;
  let isAsked = false;
  let isStopped = false;
  /** Monotonic ms. */
  let notBefore = Number.NEGATIVE_INFINITY;

  function sleep(ms: number): void {
    timer?.cancel();
    if (!isStopped) timer = clock.after(Math.min(longestSleep, Math.max(1, ms)), wake);
  }

  function wake(): void {
    isAsked = true;
    if (isStopped || looking) return;
    looking = look()
      .catch((err: unknown) => {
        const { name: store } = bucket;
        log.error({ event: 'placement.indexUnwritable', err, store }, 'placements cannot be read or written');
        notBefore = clock.monotonic() + indexRetry;
        sleep(indexRetry);
      })
      .finally(() => {
        looking = undefined;
        if (isAsked && !isStopped) wake();
      });
  }

  async function look(): Promise<void> {
    isAsked = false;
    timer?.cancel();
    const pause = Math.max(bucket.pausedFor(), notBefore - clock.monotonic());
    if (pause > 0) return sleep(pause);
    const free = atOnce - running.size;
    if (free === 0) return;
    const due = await placements.due(bucket.name, clock.now(), running.size + free);
    const next = due.filter(({ digest }) => !running.has(digest)).slice(0, free);
    for (const placement of next) if (!isStopped) run(placement);
    if (running.size > 0) return;
    const at = await placements.nextDue(bucket.name);
    if (at !== undefined && !isAsked) sleep(at - clock.now());
  }

  function run(placement: Placement): void {
    const { digest, store } = placement;
    const over = place(bucket, placement)
      .catch((err: unknown) => {
        log.error(
          { event: 'placement.indexUnwritable', err, digest, store },
          'a placement could not be written',
        );
        notBefore = clock.monotonic() + indexRetry;
      })
      .finally(() => {
        running.delete(digest);
        wake();
      });
    running.set(digest, over);
  }

  return {
    wake,
    async stop() {
      isStopped = true;
      timer?.cancel();
      await looking;
      await Promise.all(running.values());
    },
  };
}
