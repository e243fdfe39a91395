/**
 * What this replica knows of facts: how far it has read the log, what it has applied, and what waits to be sent. The seam between the
 * index and what exchanges facts with the log (`shared/fact-exchange.ts`).
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Digest } from '../../../oci/digest.ts';
import type { Fact, LogState } from '../../shared/facts.ts';
import { isHosted } from '../catalogue.ts';
import type { IndexRows } from '../index-rows.ts';
import { type AppliedFacts, applyFacts } from './apply-facts.ts';
import {
  type FactPosition,
  forgetPosition,
  knownKinds,
  readPosition,
  roundOf,
  writePosition,
} from './fact-position.ts';
import { createSettlement } from './settlement.ts';
import type { Sharing } from './sharing.ts';
import { hasStates, tellStates } from './tell-states.ts';

export interface SettleOptions {
  /** Epoch ms. */
  readonly now: () => number;
  readonly isStopped: () => boolean;
  /** Runs one slice, and hears what it changed. */
  readonly around: (slice: () => AppliedFacts) => Promise<void>;
}

export interface FactBook {
  /** Undefined where the whole log is to be read. */
  position(): Promise<FactPosition | undefined>;
  /** Begins to read the whole log; `new` is a first reading where nothing is known here. */
  begin(log: LogState, reading: 'new' | 'late'): Promise<FactPosition>;
  /**
   * Applies facts that the log has after `from`, up to `seq`, and notes the new position; one transaction. Undefined if `from` is not the
   * position any more: the index was replaced. `now`: epoch ms.
   */
  take(
    facts: readonly Fact[],
    from: FactPosition,
    { seq, now }: { readonly seq: number; readonly now: number },
  ): Promise<{ readonly position: FactPosition; readonly applied: AppliedFacts } | undefined>;
  /**
   * The whole log was read: what it lacks becomes a fact, or goes (`FactPosition.reading`). It works in slices, which `around` runs, and
   * lets other work run in between; it ends early when `isStopped`, and is done again then.
   */
  settle(options: SettleOptions): Promise<void>;
  /** The oldest facts that wait, at most `limit`. */
  waiting(limit: number): Promise<readonly Fact[]>;
  /** The log has these facts, with these stamps; undefined: a later one counts there. */
  told(facts: readonly Fact[], stamps: readonly (number | undefined)[]): Promise<void>;
  countWaiting(): number;
  /** The listener is called when something waits. */
  whenWaiting(listener: () => void): void;
  /** As `FactLog.forget`; one slice. */
  forget(before: { readonly gone: number; readonly heard: number }): Promise<number>;
  /** The index has got rows from elsewhere: all is compared with the log once more. */
  compareAnew(): void;
}

/** Facts that one slice changes. */
const perSlice = 500;

/** Rejects as SQLite throws. */
export function createFactBook(rows: IndexRows, sharing: Sharing): FactBook {
  const settlement = createSettlement(rows, sharing);

  function* slices(position: FactPosition, now: () => number): Generator<void> {
    if (position.reading === 'new') yield* tellStates(rows, sharing, position.round);
    yield* settlement.slices(position, now);
  }

  function isHidden({ kind, image, key }: Fact): boolean {
    if (kind === 'tag') return isHosted(rows.tag(image, key)?.endpoint ?? '');
    return kind === 'link' && isHosted(rows.originOf(image, key as Digest) ?? '');
  }

  return {
    position: async () => readPosition(rows),
    begin: async (log, reading) =>
      rows.transaction(() => {
        const round = roundOf(rows) + 1;
        const isFirst = reading === 'new' && settlement.isNeedless() && !hasStates(rows);
        const its = isFirst ? 'first' : reading;
        const position: FactPosition = { log: log.id, seq: 0, round, reading: its, kinds: knownKinds };
        writePosition(rows, position);
        return position;
      }),
    async take(facts, from, { seq, now }) {
      for (const { stamp } of facts) sharing.clock.saw(stamp);
      rows.rememberNames(namesIn(facts));
      return rows.transaction(() => {
        const known = readPosition(rows);
        if (known?.seq !== from.seq || known.round !== from.round) return undefined;
        const position = { ...known, seq };
        const applied = applyFacts(rows, facts, { round: position.round, now });
        writePosition(rows, position);
        return { position, applied };
      });
    },
    async settle({ now, isStopped, around }) {
      const position = readPosition(rows);
      if (!position?.reading) return;
      const all = slices(position, now);
      for (let isOver = false; !isOver; await turn()) {
        if (isStopped()) return;
        await around(() => {
          isOver = all.next().done === true;
          return settlement.changed();
        });
      }
      rows.transaction(() => {
        const known = readPosition(rows);
        if (known?.round === position.round) writePosition(rows, { ...known, reading: undefined });
      });
    },
    waiting: async (limit) => rows.waitingFacts(limit),
    told: async (facts, stamps) =>
      rows.transaction(() => {
        for (const [at, fact] of facts.entries()) {
          const known = rows.knownFact(fact);
          const isSame = known?.waits && known.stamp === fact.stamp && known.origin === fact.origin;
          if (!isSame) continue;
          const value = isHidden(fact) ? known.value : undefined;
          rows.putFact(fact, {
            ...known,
            stamp: stamps[at] ?? known.stamp,
            waits: false,
            round: roundOf(rows),
            value,
          });
        }
      }),
    countWaiting: rows.countWaitingFacts,
    whenWaiting: sharing.whenWaiting,
    forget: async (before) => rows.forgetFacts(before, perSlice),
    compareAnew: () => forgetPosition(rows),
  };
}

/** Texts of which the index keeps each once. */
function namesIn(facts: readonly Fact[]): Set<string> {
  const names = new Set<string>();
  for (const { image, origin, value } of facts) {
    names.add(image).add(origin);
    if (value && 'origin' in value) names.add(value.origin);
    if (value && 'endpoint' in value) names.add(value.endpoint);
  }
  return names;
}

/** Where facts are not shared any more, what was known of them is wrong soon. Works in slices. */
export async function forgetAllFacts(
  rows: Pick<IndexRows, 'clearFacts' | 'meta' | 'setMeta'>,
  isStopped: () => boolean,
): Promise<void> {
  forgetPosition(rows);
  while (!isStopped() && rows.clearFacts(perSlice) > 0) await turn();
}
