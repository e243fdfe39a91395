/**
 * Scrubs all content over and over, folder by folder, at a rate that disturbs no client. It keeps no record of its progress:
 * the period is cut into 256 slots along the wall clock, and slot n belongs to folder n mod 256. A restart therefore repeats
 * the folder of the current slot and misses none. If a folder takes longer than its slot, the next folders follow at once;
 * such a pass takes longer than the period.
 */
import { folderCount } from '../cache/blobs/blob-store.ts';
import type { Clock } from '../lib/clock.ts';
import { pause } from '../lib/flow/pause.ts';
import type { Log } from '../telemetry/log.ts';
import type { Scrubs } from './scrubs.ts';

export interface BackgroundScrub {
  /** Puts settings in force. A scrub goes on undisturbed if they are the same as before. */
  configure(settings: BackgroundScrubSettings): void;
  /** Starts no more folders, and aborts the running one. */
  stop(): void;
}

export interface BackgroundScrubSettings {
  /** ms in which all content is read once; undefined: never. */
  readonly every: number | undefined;
  /** Bytes per second at most. */
  readonly rate: number;
}

export interface BackgroundScrubDeps {
  readonly scrubs: Pick<Scrubs, 'run'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'debug' | 'error'>;
}

/** Runs nothing before `configure`. */
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
      if (!signal.aborted)
        log.debug({ event: 'scrub.folder', folder: name, ...counts, ms }, 'a folder was scrubbed');
    } catch (err) {
      log.error({ event: 'scrub.failed', err }, 'a scrub failed');
    }
  }

  async function go(every: number, rate: number, signal: AbortSignal): Promise<void> {
    const width = every / folderCount;
    const current = () => Math.floor(clock.now() / width);
    for (let slot = current(); !signal.aborted; ) {
      await scrubFolder(slot % folderCount, rate, signal);
      // If the wall clock jumps by more than a pass, the slot jumps with it, in either direction.
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
