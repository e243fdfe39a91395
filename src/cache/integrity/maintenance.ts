/**
 * What goes on behind after the index was opened: it and the content are made to agree, and the quotas are
 * counted.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Room } from '../capacity/capacity.ts';
import type { Quotas } from '../capacity/quotas.ts';
import type { IndexStore } from '../index/index-store.ts';
import { salvage } from '../index/salvage.ts';
import { type ReconcileDeps, type ReconcileReport, reconcile } from './reconcile.ts';

export interface UpkeepDeps extends ReconcileDeps {
  readonly index: IndexStore;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'error'>;
  readonly quotas: Quotas;
  readonly room: Room;
}

/** Runs one after the other. Gives undefined where it was stopped or failed, which is in the log. */
export type Upkeep = (damagedIndex: string | undefined) => Promise<ReconcileReport | undefined>;

export function createUpkeep(deps: UpkeepDeps): Upkeep {
  const { index, clock, log, quotas, room, isStopped } = deps;
  let last: Promise<unknown> = Promise.resolve();

  async function run(damagedIndex: string | undefined): Promise<ReconcileReport | undefined> {
    if (isStopped()) return undefined;
    const begun = clock.monotonic();
    if (damagedIndex !== undefined) {
      const salvaged = await salvage(damagedIndex, index, isStopped);
      log.info({ file: damagedIndex, ...salvaged }, 'links and tags were taken over from the damaged index');
    }
    await quotas.count(isStopped);
    room.check();
    const report = await reconcile(deps);
    if (isStopped()) return undefined;
    const ms = Math.round(clock.monotonic() - begun);
    log.info({ ...report, ...index.totals(), ms }, 'index and content agree');
    room.check();
    return report;
  }

  return (damagedIndex) => {
    const next = last
      .then(() => run(damagedIndex))
      .catch((error: unknown) => {
        log.error({ err: error }, 'index and content could not be compared');
        return undefined;
      });
    last = next;
    return next;
  };
}
