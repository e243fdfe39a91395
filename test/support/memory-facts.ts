/** A log of facts in memory, for the replicas of one test. It can be cut off from all of them, or from one. */
import {
  type Fact,
  type FactLog,
  isLater,
  type LoggedFact,
  type LogState,
} from '../../src/cache/shared/facts.ts';
import { mostAhead, stampOf } from '../../src/cache/shared/hybrid-clock.ts';
import { Unavailable } from '../../src/cache/shared/unavailable.ts';

export interface MemoryFacts extends FactLog {
  /** The same log as one replica sees it: it can be cut off by itself. */
  replica(): FactLog & { isReachable: boolean };
  isReachable: boolean;
  /** All facts, in the order of their places. */
  readonly facts: readonly LoggedFact[];
  /** As after a restore of a backup with these facts alone. */
  restore(facts: readonly LoggedFact[]): void;
  /** Another server takes over, with all facts. */
  failOver(): void;
}

interface Row extends LoggedFact {
  readonly claimed: number;
}

const heard = ['tag', 'link', 'list'];

/** `now`: the time of the server of the log, epoch ms. */
export function createMemoryFacts(now: () => number = Date.now): MemoryFacts {
  let rows = new Map<string, Row>();
  const listeners = new Set<() => void>();
  let id = 1;
  let server = 1;
  let seq = 0;
  let forgotten = 0;

  const nameOf = ({ kind, image, key }: Pick<LoggedFact, 'kind' | 'image' | 'key'>) =>
    `${image}\n${kind}\n${key}`;
  const sorted = () => [...rows.values()].sort((a, b) => a.seq - b.seq);
  const ring = () => {
    for (const listener of listeners) listener();
  };

  function put(fact: Fact): number | undefined {
    const name = nameOf(fact);
    const known = rows.get(name);
    const { stamp: claimed, origin } = fact;
    if (known && known.claimed === claimed && known.origin === origin) return known.stamp;
    if (known && !isLater(fact, known)) return undefined;
    const bounded = Math.min(claimed, stampOf(now() + mostAhead));
    const stamp = known && bounded <= known.stamp ? Math.min(claimed, known.stamp + 1) : bounded;
    seq += 1;
    // As the text of a database would have it.
    const value = JSON.parse(JSON.stringify(fact.value ?? null));
    rows.set(name, { ...fact, value, stamp, claimed, seq });
    return stamp;
  }

  const log: MemoryFacts = {
    isReachable: true,
    get facts() {
      return sorted();
    },
    restore(facts) {
      rows = new Map(facts.map((fact) => [nameOf(fact), { ...fact, claimed: fact.stamp }]));
      id += 1;
      ring();
    },
    failOver() {
      server += 1;
      ring();
    },
    state: async (): Promise<LogState> => ({ id: `${id}:${server}`, newest: seq, forgotten }),
    async append(facts) {
      const stamps = facts.map(put);
      if (stamps.some((stamp) => stamp !== undefined)) ring();
      return stamps;
    },
    after: async (from, limit) =>
      sorted()
        .filter((row) => row.seq > from)
        .slice(0, limit),
    async forget(before) {
      const old = sorted().filter(({ value, kind, stamp }) =>
        value === null ? stamp < before.gone : heard.includes(kind) && stamp < before.heard,
      );
      for (const row of old) {
        rows.delete(nameOf(row));
        if (row.value === null) forgotten = Math.max(forgotten, row.seq);
      }
      return old.length;
    },
    changed(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    replica() {
      const seen = new Set<() => void>();
      let isReachable = true;
      const reach = () => {
        if (!isReachable || !log.isReachable) throw new Unavailable('the log is cut off');
      };
      return {
        get isReachable() {
          return isReachable;
        },
        set isReachable(is: boolean) {
          isReachable = is;
          if (is) for (const listener of seen) listener();
        },
        async state() {
          reach();
          return log.state();
        },
        async append(facts) {
          reach();
          return log.append(facts);
        },
        async after(from, limit) {
          reach();
          return log.after(from, limit);
        },
        async forget(before) {
          reach();
          return log.forget(before);
        },
        changed(listener) {
          seen.add(listener);
          const end = log.changed(() => isReachable && listener());
          return () => {
            seen.delete(listener);
            end();
          };
        },
      };
    },
  };
  return log;
}
