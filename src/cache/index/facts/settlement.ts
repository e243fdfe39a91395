/**
 * What follows a reading of the whole log.
 *
 *               is in the rows, not in the log        was in the log once, and is not any more
 *   new         becomes a fact                        is sent again
 *   first       (cannot be: nothing was here, and each change since is a fact; there is nothing to look at)
 *   late        (cannot be: each change is a fact)    goes: the log has forgotten when it was taken away
 */

import type { Change } from '../../shared/facts.ts';
import { stampOf } from '../../shared/hybrid-clock.ts';
import { isHosted } from '../catalogue.ts';
import type { IndexRows } from '../index-rows.ts';
import { type AppliedFacts, forgetFact, materialize, noneApplied } from './apply-facts.ts';
import type { FactPosition } from './fact-position.ts';
import { linkOf, tagValue } from './fact-recorder.ts';
import type { FactName, FactPlace, NamedFact } from './fact-rows.ts';
import type { Sharing } from './sharing.ts';
import type { LinkPlace, TagPlace } from './told-rows.ts';

export interface Settlement {
  /** Nothing that a reading has to be compared with is here. */
  isNeedless(): boolean;
  /** Each slice is one transaction. */
  slices(position: FactPosition, now: () => number): Generator<void>;
  /** What the slices so far have changed for other parts; it begins anew then. */
  changed(): AppliedFacts;
}

const perSlice = 300;

/** Throws what SQLite throws. */
export function createSettlement(rows: IndexRows, { origin, clock, waits }: Sharing): Settlement {
  let sum = noneApplied();

  /** What is in the rows: unless the log has a fact of its name, that is one now. */
  function tell(name: FactName, value: object, round: number, stamp: number): void {
    const known = rows.knownFact(name);
    // A damaged index has given back what was taken away meanwhile.
    if (known?.isGone) materialize(rows, { ...name, value: undefined } as Change, 0, sum);
    if (known && (known.isGone || known.round === round || known.waits)) return;
    const its = known ? { stamp: known.stamp, origin: known.origin } : { stamp, origin };
    rows.putFact(name, { ...its, isGone: false, waits: true, round, value: JSON.stringify(value) });
    waits();
  }

  function* tags(round: number): Generator<void> {
    for (let place: TagPlace | undefined; ; ) {
      const { tags: some, last } = rows.tagsFrom(place, perSlice);
      if (!last) return;
      rows.transaction(() => {
        for (const { image, tag, value } of some) {
          const kind = isHosted(value.endpoint) ? 'hostedTag' : 'tag';
          tell({ kind, image, key: tag }, tagValue(value), round, Math.max(1, stampOf(value.checkedAt)));
        }
      });
      place = last;
      yield;
    }
  }

  function* links(round: number): Generator<void> {
    for (let place: LinkPlace | undefined; ; ) {
      const { links: some, last } = rows.linksFrom(place, perSlice);
      if (!last) return;
      rows.transaction(() => {
        for (const { image, digest } of some) {
          const value = linkOf(rows, image, digest);
          const kind = value && isHosted(value.origin) ? 'hostedLink' : 'link';
          if (value) tell({ kind, image, key: digest }, value, round, clock.next());
        }
      });
      place = last;
      yield;
    }
  }

  /** Facts that this reading has not met, and that do not wait. */
  function* unmet(round: number, each: (fact: NamedFact) => void): Generator<void> {
    for (let place: FactPlace | undefined; ; ) {
      const { facts, last } = rows.factsFrom(place, perSlice);
      if (!last) return;
      rows.transaction(() => {
        for (const fact of facts) if (fact.round !== round && !fact.waits) each(fact);
      });
      place = last;
      yield;
    }
  }

  function sendAgain(fact: NamedFact, round: number): void {
    const { kind, image, key, ...known } = fact;
    const name = { kind, image, key };
    if (fact.isGone || fact.value !== undefined) {
      rows.putFact(name, { ...known, waits: true, round });
      waits();
    } else {
      // What the rows have is met by now, so this one's row is gone: it was evicted here.
      rows.removeFact(name);
    }
  }

  const pins = () => JSON.parse(rows.meta('added-pins') ?? '[]') as readonly string[];

  return {
    isNeedless: () =>
      pins().length === 0 &&
      [rows.tagsFrom(undefined, 1), rows.linksFrom(undefined, 1), rows.factsFrom(undefined, 1)].every(
        ({ last }) => last === undefined,
      ),
    *slices(position, now) {
      const { round, reading } = position;
      if (reading === 'first') return;
      if (reading === 'late') {
        yield* unmet(round, (fact) =>
          fact.isGone ? rows.removeFact(fact) : forgetFact(rows, fact, now(), sum),
        );
        return;
      }
      for (const pattern of pins()) tell({ kind: 'pin', image: '', key: pattern }, {}, round, clock.next());
      yield* tags(round);
      yield* links(round);
      yield* unmet(round, (fact) => sendAgain(fact, round));
    },
    changed() {
      const mine = sum;
      sum = noneApplied();
      return mine;
    },
  };
}
