/**
 * Notices that files of the configuration have changed, by looking at them every two seconds (docs/decisions/0015). A
 * change counts when two looks in a row have seen the same, so nothing is read while it is being written:
 *
 *   as it was read -> nothing
 *   otherwise      -> other than at the last look: wait
 *                     as at the last look: told, once
 */
import { dirname } from 'node:path';
import type { Clock, Timer } from '../../lib/clock.ts';
import { stampsOf } from './file-stamp.ts';

export interface ConfigWatch {
  /**
   * Calls `read`, which says all places that the configuration comes from or might come from: files, and folders of
   * `*.conf`. What changes in them from before the reading on will be noticed; places that are new count from after it.
   */
  read<T extends { readonly places: readonly string[] }>(read: () => T): Promise<T>;
  /** Looks from now on, and tells which files were added, removed or changed. */
  start(onChange: (files: readonly string[]) => void): void;
  stop(): void;
}

const everyMs = 2000;

export function createConfigWatch(deps: {
  readonly clock: Clock;
  /** Whether it should look at all, asked every time. */
  readonly isWanted: () => boolean;
}): ConfigWatch {
  let places: ReadonlySet<string> = new Set();
  /** What was there when it was read, and at the last look, where that was something else. */
  let known: ReadonlyMap<string, string> = new Map();
  let unsettled: ReadonlyMap<string, string> | undefined;
  let timer: Timer | undefined;
  let isStopped = false;

  async function look(onChange: (files: readonly string[]) => void): Promise<void> {
    const before = known;
    const found = await stampsOf(places);
    // Read in the meantime.
    if (before !== known || isStopped) return;
    const changed = differences(known, found);
    const isSettled = unsettled !== undefined && differences(unsettled, found).length === 0;
    unsettled = undefined;
    if (changed.length === 0) return;
    if (isSettled) {
      known = found;
      onChange(changed);
    } else {
      unsettled = found;
    }
  }

  function wait(onChange: (files: readonly string[]) => void): void {
    timer = deps.clock.after(everyMs, async () => {
      if (deps.isWanted()) await look(onChange);
      if (!isStopped) wait(onChange);
    });
  }

  return {
    async read(read) {
      const before = await stampsOf(places);
      const result = read();
      const added = await stampsOf(result.places.filter((place) => !places.has(place)));
      const wanted = new Set(result.places);
      const kept = [...before].filter(([file]) => wanted.has(file) || wanted.has(dirname(file)));
      places = wanted;
      known = new Map([...kept, ...added]);
      unsettled = undefined;
      return result;
    },
    start: wait,
    stop() {
      isStopped = true;
      timer?.cancel();
    },
  };
}

function differences(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): string[] {
  const paths = new Set([...one.keys(), ...other.keys()]);
  return [...paths].filter((path) => one.get(path) !== other.get(path));
}
