/** What bounds one run of a block: its timeout, the window of the day, the bandwidth. */
import type { SyncBlock } from '../config/sync-config.ts';
import type { Clock } from '../lib/clock.ts';
import { windowAt } from '../lib/daily-window.ts';
import { createPace, type Pace } from '../lib/flow/pace.ts';
import type { SyncOptions } from './sync-deps.ts';

export interface RunLimits {
  /** Aborted when the run is to end, with a sentence as its reason. */
  readonly signal: AbortSignal;
  /** Why the run does not begin, in one sentence; undefined where it may. */
  readonly closed: string | undefined;
  /** When the next window opens (ISO 8601) if this one was closed, or is closed by now; else null. */
  resumes(): string | null;
  /** The run is over. */
  end(): void;
}

/** They hold from now on, until `end`. */
export function createRunLimits(
  clock: Clock,
  { name, timeout, window: written }: Pick<SyncBlock, 'name' | 'timeout' | 'window'>,
  { signal, ignoresWindow }: Pick<SyncOptions, 'signal' | 'ignoresWindow'>,
): RunLimits {
  const window = ignoresWindow ? undefined : written;
  const first = window && windowAt(window, clock.now());
  const ending = new AbortController();
  const timers = [
    clock.after(timeout, () => ending.abort(new Error('the time of the run (timeout) is over'))),
    ...(first?.isOpen
      ? [
          clock.after(first.changes - clock.now(), () =>
            ending.abort(new Error('the window of the block is over')),
          ),
        ]
      : []),
  ];
  const opening = (): string | null => {
    const state = window && windowAt(window, clock.now());
    return !state || state.isOpen ? null : new Date(state.changes).toISOString();
  };
  const closed = first?.isOpen === false ? first.changes : undefined;
  return {
    signal: AbortSignal.any([signal, ending.signal]),
    closed: closed === undefined ? undefined : closedReason(name, closed),
    resumes: opening,
    end() {
      for (const timer of timers) timer.cancel();
    },
  };
}

/** Why a block may not run now, and when it may again (epoch ms); undefined where it may. */
export function closedWindow(
  clock: Clock,
  { name, window }: Pick<SyncBlock, 'name' | 'window'>,
): { readonly reason: string; readonly at: number } | undefined {
  const state = window && windowAt(window, clock.now());
  return state?.isOpen === false
    ? { reason: closedReason(name, state.changes), at: state.changes }
    : undefined;
}

function closedReason(name: string, opens: number): string {
  return `its window opens at ${new Date(opens).toISOString()}; entrepot sync ${name} --now runs it all the same`;
}

/** Undefined where the block has no `bandwidth`. */
export function paceOf(clock: Clock, { bandwidth }: Pick<SyncBlock, 'bandwidth'>): Pace | undefined {
  return bandwidth === undefined ? undefined : createPace(clock, { perSecond: bandwidth, signal: endless });
}

const endless = new AbortController().signal;
