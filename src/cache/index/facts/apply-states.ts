/** Makes the rows of states and selections say what a fact says. Call it within a transaction. */
import type { ReplicaChange, SelectionChange } from '../../shared/facts.ts';
import { stateOf } from '../../shared/state-facts.ts';
import type { IndexRows } from '../index-rows.ts';

/** Nothing happens for a key that names no block and tag. */
export function setReplica(rows: IndexRows, { image, key, value }: ReplicaChange): void {
  const state = stateOf(key);
  if (!state) return;
  const { block: sync, tag } = state;
  if (value) rows.putReplicas([{ image, tag, sync, ...value }]);
  else rows.removeReplicas(image, [tag], sync);
}

/** The same. Where a selection goes or means another digest, eviction looks at all pins anew. */
export function setSelection(rows: IndexRows, { image, key, value }: SelectionChange): void {
  const state = stateOf(key);
  if (!state) return;
  const { block, tag } = state;
  const before = rows.selection(block, image, tag)?.digest;
  if (value) rows.putSelection(block, image, { tag, ...value });
  else rows.dropSelection(block, image, tag);
  if (before !== undefined && before !== value?.digest) rows.unpinAll();
}
