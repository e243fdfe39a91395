/**
 * Scrubbing: what is found to be damaged is dropped at once (`cache/scrub.ts`) and brought back as soon as that
 * (`repair.ts`). The command does all of it, the background a folder at a time.
 */

import { folderCount } from '../cache/blobs/blob-store.ts';
import type { CacheAdmin } from '../cache/cache-admin.ts';
import type { Loss } from '../cache/integrity/damaged-content.ts';
import type { Clock } from '../lib/clock.ts';
import type { NamePattern } from '../lib/name-patterns.ts';
import { createPace } from '../lib/pace.ts';
import type { createRepair } from './repair.ts';

export interface Scrubs {
  /** Checks and repairs what is in these folders (first bytes of digests; by default all). Ends early when the signal is aborted. */
  run(options: ScrubRun): Promise<ScrubReport>;
  /** Ends all that run, and starts no more. Resolves when they are over, which may take until transfers and upstream are closed. */
  stop(): Promise<void>;
}

export interface ScrubRun {
  readonly folders?: Iterable<number>;
  /** Only what images and tags link that match; undefined: everything. */
  readonly matches?: NamePattern | undefined;
  /** Bytes per second that are read at most. */
  readonly rate?: number | undefined;
  readonly onProgress?: (progress: ScrubProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface ScrubProgress {
  /** Bytes. */
  readonly size: number;
  readonly done: number;
}

export interface ScrubReport {
  /** Contents that were looked at. */
  readonly checked: number;
  /** That were read. */
  readonly bytes: number;
  readonly damaged: readonly Damaged[];
  /** What could not be looked at, and was left as it is. */
  readonly unreadable: readonly { readonly digest: string; readonly reason: string }[];
}

export interface Damaged {
  readonly digest: string;
  /** What was wrong with its file. */
  readonly reason: string;
  /** `registry/repository` that links it: the one it was pulled for again. Null where there is none. */
  readonly image: string | null;
  readonly repaired: boolean;
  readonly failure?: string;
}

export interface ScrubsDeps {
  readonly cache: Pick<CacheAdmin, 'scrub' | 'usage'>;
  readonly repair: ReturnType<typeof createRepair>;
  readonly clock: Clock;
  readonly log: Record<'info' | 'error', (fields: object, message: string) => void>;
  readonly onRead: (bytes: number) => void;
  readonly onDamaged: (how: 'repaired' | 'lost') => void;
}

export function createScrubs(deps: ScrubsDeps): Scrubs {
  const { cache, clock, log } = deps;
  const stopping = new AbortController();
  const running = new Set<Promise<unknown>>();

  async function mend(loss: Loss, signal: AbortSignal): Promise<Damaged> {
    const { digest, reason } = loss;
    const repair = await deps.repair(loss, signal);
    const { image } = repair;
    if (!repair.repaired && signal.aborted) return { digest, reason, ...repair, failure: 'stopped' };
    if (repair.repaired) log.info({ digest, image }, 'a damaged content was fetched again');
    else log.error({ digest, image, reason: repair.failure }, 'a damaged content is lost');
    deps.onDamaged(repair.repaired ? 'repaired' : 'lost');
    return { digest, reason, ...repair };
  }

  async function scrub(run: ScrubRun): Promise<ScrubReport> {
    const { folders = Array(folderCount).keys(), matches, rate, onProgress } = run;
    const signal = run.signal ? AbortSignal.any([stopping.signal, run.signal]) : stopping.signal;
    const pace = createPace(clock, { perSecond: rate, signal });
    const selected = matches && (await cache.scrub.select(matches));
    const size = selected ? selected.bytes : cache.usage().bytes;
    const isWanted = selected ? selected.has : () => true;
    const damaged: Damaged[] = [];
    const unreadable: ScrubReport['unreadable'][number][] = [];
    const kept: Loss[] = [];
    let checked = 0;
    let bytes = 0;
    for (const folder of folders) {
      if (signal.aborted) break;
      for await (const step of cache.scrub.folder(folder, { isWanted, pace, signal })) {
        switch (step.kind) {
          case 'read':
            bytes += step.bytes;
            deps.onRead(step.bytes);
            onProgress?.({ size, done: bytes });
            break;
          case 'checked':
            checked += 1;
            break;
          case 'unreadable':
            unreadable.push({ digest: step.digest, reason: step.reason });
            log.error({ digest: step.digest, reason: step.reason }, 'a stored content cannot be checked');
            break;
          case 'lost': {
            const one = await mend(step.loss, signal);
            if (one.repaired || !step.loss.keepsFile) damaged.push(one);
            else {
              unreadable.push({ digest: one.digest, reason: one.reason });
              kept.push(step.loss);
            }
          }
        }
      }
    }
    for (const loss of kept) cache.scrub.keep(loss);
    return { checked, bytes, damaged, unreadable };
  }

  return {
    run(options) {
      const run = scrub(options);
      running.add(run);
      const forget = () => running.delete(run);
      run.then(forget, forget);
      return run;
    },
    async stop() {
      stopping.abort();
      await Promise.allSettled(running);
    },
  };
}
