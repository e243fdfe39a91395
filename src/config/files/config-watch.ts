/**
 * Detects changed files of the configuration by looking at them every two seconds (docs/decisions/0015). A change is reported when
 * two looks in a row have seen the same, so a file is not read while it is being written:
 *
 *   same as when it was read               -> nothing
 *   changed, and not as at the last look   -> wait for the next look
 *   changed, and as at the last look       -> report it, once
 */
import { dirname } from 'node:path';
import type { Clock, Timer } from '../../lib/clock.ts';
import { stampsOf } from './file-stamp.ts';

/** Reads the configuration and watches its files. */
export interface ConfigWatch {
  /**
   * Calls `read`. Its result names all places that the configuration comes from or might come from: files, and folders of
   * `*.conf`. A change during the call is detected later. Places that are new in the result are watched from after the call.
   * Changes of `placesIfRefused` count only while the last reload was refused.
   */
  read<T extends WatchedPlaces>(read: () => T): Promise<T>;
  /** Begins to look. `onChange` gets the files that were added, removed or changed. */
  start(onChange: (files: readonly string[]) => void): void;
  stop(): void;
}

export interface WatchedPlaces {
  readonly places: readonly string[];
  readonly placesIfRefused?: readonly string[];
}

const everyMs = 2000;

/** `stop()` ends the timer that `start()` begins. */
export function createConfigWatch(deps: {
  readonly clock: Clock;
  /** Asked before each look; false skips it. */
  readonly isWanted: () => boolean;
  /** Whether the last reload was refused. */
  readonly isRefused: () => boolean;
}): ConfigWatch {
  let places: ReadonlySet<string> = new Set();
  /** Those of `places` that count only after a refused reload. */
  let placesIfRefused: ReadonlySet<string> = new Set();
  /** Stamps by path, as of the last reading or report. */
  let known: ReadonlyMap<string, string> = new Map();
  /** As of the last look, if they differed from `known`. */
  let unsettled: ReadonlyMap<string, string> | undefined;
  let timer: Timer | undefined;
  let isStopped = false;

  async function look(onChange: (files: readonly string[]) => void): Promise<void> {
    const before = known;
    const found = await stampsOf(places);
    // The configuration was read again in the meantime.
    if (before !== known || isStopped) return;
    const counts = (path: string) => deps.isRefused() || !placesIfRefused.has(path);
    const changed = differences(known, found).filter(counts);
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
      const { places: always, placesIfRefused: ifRefused = [] } = result;
      const wanted = new Set([...always, ...ifRefused]);
      const added = await stampsOf([...wanted].filter((place) => !places.has(place)));
      const kept = [...before].filter(([file]) => wanted.has(file) || wanted.has(dirname(file)));
      places = wanted;
      placesIfRefused = new Set(ifRefused.filter((place) => !always.includes(place)));
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
