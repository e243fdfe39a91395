/**
 * Makes index and content agree, in the background: after the index was opened, after it was replaced, and for `gc`. One run does,
 * in this order: read what a damaged index still gives, count the quotas, compare rows and files.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Capacity } from '../capacity/capacity.ts';
import type { Quotas } from '../capacity/quotas.ts';
import type { CacheIndex } from '../index/cache-index.ts';
import { type ReconcileDeps, type ReconcileReport, reconcile } from './reconcile.ts';

export interface MaintenanceDeps extends ReconcileDeps {
  readonly index: Pick<CacheIndex, 'salvage'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'error'>;
  readonly quotas: Quotas;
  readonly capacity: Capacity;
  /** All that could be read from a damaged index is in the new one. */
  readonly salvaged: (file: string) => void;
}

export interface Maintenance {
  /** Does one run after those before, or joins one that has not begun. Undefined if it was stopped or failed; the log says which. */
  run(): Promise<ReconcileReport | undefined>;
  /** Reads this damaged index next: a run under way begins anew with it. */
  salvage(file: string): void;
  /** Resolves when the last run is over. */
  idle(): Promise<void>;
}

/** Starts nothing by itself. */
export function createMaintenance(deps: MaintenanceDeps): Maintenance {
  const { index, clock, log, quotas, capacity, isStopped } = deps;
  const damaged = new Set<string>();
  let last: Promise<unknown> = Promise.resolve();
  let waiting: Promise<ReconcileReport | undefined> | undefined;
  let isRunning = false;

  async function readDamaged(): Promise<void> {
    for (const file of damaged) {
      const taken = await index.salvage(file, { now: clock.now(), isStopped });
      if (isStopped()) return;
      damaged.delete(file);
      deps.salvaged(file);
      log.info(
        { event: 'cache.indexSalvaged', file, ...taken },
        'links and tags were taken over from the damaged index',
      );
    }
  }

  async function compare(): Promise<ReconcileReport | undefined> {
    const begun = clock.monotonic();
    let report: ReconcileReport | undefined;
    while (!isStopped() && !report) {
      await readDamaged();
      await quotas.count(isStopped);
      capacity.check();
      const found = await reconcile({ ...deps, isStopped: () => isStopped() || damaged.size > 0 });
      if (damaged.size === 0) report = found;
    }
    if (isStopped()) return undefined;
    const ms = Math.round(clock.monotonic() - begun);
    log.info(
      { event: 'cache.reconciled', ...report, ...deps.inventory.totals(), ms },
      'index and content agree',
    );
    capacity.check();
    return report;
  }

  async function run(): Promise<ReconcileReport | undefined> {
    waiting = undefined;
    isRunning = true;
    try {
      const report = await compare();
      // Damage may show after the files were compared.
      if (damaged.size > 0 && !isStopped()) void start();
      return report;
    } catch (error) {
      log.error({ event: 'cache.reconcileFailed', err: error }, 'index and content could not be compared');
      return undefined;
    } finally {
      isRunning = false;
    }
  }

  function start(): Promise<ReconcileReport | undefined> {
    waiting ??= last.then(run);
    last = waiting;
    return waiting;
  }

  return {
    run: start,
    salvage(file) {
      damaged.add(file);
      if (!isRunning) void start();
    },
    idle: async () => void (await last),
  };
}
