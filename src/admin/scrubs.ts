/**
 * Scrubbing: reads stored content and compares it with its digest. The cache drops a damaged content at once
 * (`cache/integrity/scrub.ts`); then it is fetched again (`repair.ts`). The command scrubs all folders, the background scrub
 * one at a time.
 */
import { folderCount } from '../cache/blobs/blob-store.ts';
import type { CacheAdmin } from '../cache/cache-admin.ts';
import type { DamagedContent } from '../cache/integrity/damaged-content.ts';
import type { Clock } from '../lib/clock.ts';
import { createPace } from '../lib/flow/pace.ts';
import type { NamePattern } from '../lib/name-patterns.ts';
import type { Log } from '../telemetry/log.ts';
import type { createRepair } from './repair.ts';

export interface Scrubs {
  /** Checks and repairs the content of some folders. Ends early, with a report, when the signal aborts. */
  run(options: ScrubRun): Promise<ScrubReport>;
  /** Aborts all runs. Resolves when they are over, which may take until transfers and upstream are closed. */
  stop(): Promise<void>;
}

export interface ScrubRun {
  /** First bytes of digests; by default all. */
  readonly folders?: Iterable<number>;
  /** Only content that matching images and tags link; undefined: all content. */
  readonly matches?: NamePattern | undefined;
  /** Bytes per second that are read at most; undefined: no limit. */
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
  /** Blobs and manifests that were checked. */
  readonly checked: number;
  /** Bytes that were read. */
  readonly bytes: number;
  readonly damaged: readonly Damaged[];
  /** Content that could not be read from its file. It stays as it is. */
  readonly unreadable: readonly { readonly digest: string; readonly reason: string }[];
}

export interface Damaged {
  readonly digest: string;
  /** What is wrong with the file. */
  readonly reason: string;
  /** `registry/repository` that it was fetched for, or that links it. Null if no image links it. */
  readonly image: string | null;
  readonly repaired: boolean;
  readonly failure?: string;
}

export interface ScrubsDeps {
  readonly cache: Pick<CacheAdmin, 'scrub' | 'usage'>;
  readonly repair: ReturnType<typeof createRepair>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'error'>;
  readonly onRead: (bytes: number) => void;
  readonly onDamaged: (how: 'repaired' | 'lost') => void;
}

/** Several runs may overlap: the background and commands. */
export function createScrubs(deps: ScrubsDeps): Scrubs {
  const { cache, clock, log } = deps;
  const stopping = new AbortController();
  const running = new Set<Promise<unknown>>();

  async function repair(loss: DamagedContent, signal: AbortSignal): Promise<Damaged> {
    const { digest, reason } = loss;
    const result = await deps.repair(loss, signal);
    const { image } = result;
    if (!result.repaired && signal.aborted) return { digest, reason, ...result, failure: 'stopped' };
    if (result.repaired) {
      log.info({ event: 'scrub.repaired', digest, image }, 'a damaged content was fetched again');
    } else {
      log.error({ event: 'scrub.lost', digest, image, reason: result.failure }, 'a damaged content is lost');
    }
    deps.onDamaged(result.repaired ? 'repaired' : 'lost');
    return { digest, reason, ...result };
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
    const kept: DamagedContent[] = [];
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
            log.error(
              { event: 'scrub.unreadable', digest: step.digest, reason: step.reason },
              'a stored content cannot be checked',
            );
            break;
          case 'lost': {
            const one = await repair(step.loss, signal);
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
