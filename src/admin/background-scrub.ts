/**
 * A scrub without end, folder by folder, so slow that nobody notices. Nothing is noted down: the period is cut into 256
 * slots along the wall clock, and slot n is the turn of folder n mod 256. So a restart begins the folder anew whose turn it is, and
 * loses no other one. Where a folder takes longer than its slot, the next ones follow at once, none left out: a pass then takes
 * longer than the period.
 */
import { folderCount } from '../cache/blobs/blob-store.ts';
import type { Clock } from '../lib/clock.ts';
import { pause } from '../lib/pause.ts';
import type { Scrubs } from './scrubs.ts';

export interface BackgroundScrub {
  /** Puts settings in force; what they leave as it was goes on undisturbed. */
  configure(settings: BackgroundScrubSettings): void;
  /** Starts nothing more, and ends what it has begun as soon as that can be. */
  stop(): void;
}

export interface BackgroundScrubSettings {
  /** ms in which everything is read once; undefined: never. */
  readonly every: number | undefined;
  /** Bytes per second. */
  readonly rate: number;
}

export interface BackgroundScrubDeps {
  readonly scrubs: Pick<Scrubs, 'run'>;
  readonly clock: Clock;
  readonly log: Record<'debug' | 'error', (fields: object, message: string) => void>;
}

export function createBackgroundScrub({ scrubs, clock, log }: BackgroundScrubDeps): BackgroundScrub {
  let settings: BackgroundScrubSettings = { every: undefined, rate: 0 };
  let running = new AbortController();
  let isStopped = false;

  async function scrubFolder(folder: number, rate: number, signal: AbortSignal): Promise<void> {
    const begun = clock.monotonic();
    try {
      const { damaged, unreadable, ...read } = await scrubs.run({ folders: [folder], rate, signal });
      const counts = { ...read, damaged: damaged.length, unreadable: unreadable.length };
      const ms = Math.round(clock.monotonic() - begun);
      const name = folder.toString(16).padStart(2, '0');
      if (!signal.aborted) log.debug({ folder: name, ...counts, ms }, 'a folder was scrubbed');
    } catch (err) {
      log.error({ err }, 'a scrub failed');
    }
  }

  async function go(every: number, rate: number, signal: AbortSignal): Promise<void> {
    const width = every / folderCount;
    const current = () => Math.floor(clock.now() / width);
    for (let slot = current(); !signal.aborted; ) {
      await scrubFolder(slot % folderCount, rate, signal);
      // A clock that was set back or on by more than a pass is followed, not waited for or caught up with.
      slot = Math.min(Math.max(slot + 1, current() - folderCount + 1), current() + 1);
      const ms = slot * width - clock.now();
      if (ms > 0) await pause(clock, ms, signal);
    }
  }

  return {
    configure(next) {
      if (isStopped || (next.every === settings.every && next.rate === settings.rate)) return;
      settings = next;
      running.abort();
      running = new AbortController();
      if (next.every !== undefined) void go(next.every, next.rate, running.signal);
    },
    stop() {
      isStopped = true;
      running.abort();
    },
  };
}
