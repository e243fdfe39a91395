/** After a reading of the whole log: states and selections that are in the rows become facts, unless the log has one of their name. */
import type { StateChange } from '../../shared/facts.ts';
import { replicaChange, selectionChange } from '../../shared/state-facts.ts';
import type { IndexRows } from '../index-rows.ts';
import type { ReplicaPosition } from '../replicas/replica-store.ts';
import type { SelectionPlace } from '../selections/selection-rows.ts';
import type { Sharing } from './sharing.ts';

const perSlice = 300;

/** Whether there is one to be told. Throws what SQLite throws. */
export function hasStates(rows: Pick<IndexRows, 'listReplicas' | 'selectionsFrom'>): boolean {
  return rows.listReplicas(undefined, 1).length > 0 || rows.selectionsFrom(undefined, 1).length > 0;
}

/** Each slice is one transaction. Throws what SQLite throws. `round`: of the reading. */
export function* tellStates(
  rows: IndexRows,
  { origin, clock, waits }: Sharing,
  round: number,
): Generator<void> {
  function tell(change: StateChange): void {
    const { value, ...name } = change;
    const known = rows.knownFact(name);
    if (known && (known.isGone || known.round === round || known.waits)) return;
    const its = known ?? { stamp: clock.next(), origin };
    rows.putFact(name, { ...its, isGone: false, waits: true, round, value: JSON.stringify(value) });
    waits();
  }

  for (let last: ReplicaPosition | undefined; ; ) {
    const some = rows.listReplicas(last, perSlice);
    rows.transaction(() => {
      for (const one of some) tell(replicaChange(one, one));
    });
    last = some.at(-1);
    if (!last) break;
    yield;
  }
  for (let last: SelectionPlace | undefined; ; ) {
    const some = rows.selectionsFrom(last, perSlice);
    rows.transaction(() => {
      for (const one of some) tell(selectionChange(one.image, one.block, one));
    });
    last = some.at(-1);
    if (!last) return;
    yield;
  }
}
