/**
 * How far this replica has read the log of facts. It stands in the index, and changes in the transaction that applies what was read.
 *
 * Each reading of the whole log has a number, its *round*: a fact that a round has not met is not in the log.
 */
import { factKinds } from '../../shared/facts.ts';
import type { IndexRows } from '../index-rows.ts';

export type Reading = 'first' | 'new' | 'late';

export interface FactPosition {
  /** `LogState.id`. */
  readonly log: string;
  readonly seq: number;
  readonly round: number;
  /**
   * Why the whole log is being read; undefined once that is over.
   *   first ... nothing was known here: all that is here by then was read, or is told by its own fact
   *   new ..... this replica and the log know nothing of each other: what the log lacks, it gets
   *   late .... the log has forgotten what is gone: what the log lacks goes here, too
   */
  readonly reading: Reading | undefined;
  /** The kinds that this program knows: one that knows more has to read the facts that an older one left out. */
  readonly kinds: string;
}

type Rows = Pick<IndexRows, 'meta' | 'setMeta'>;

const key = 'facts-position';
const roundKey = 'facts-round';

/** See `FactPosition.kinds`. */
export const knownKinds = factKinds.join();

/** Undefined where nothing was read yet, or all has to be read anew. */
export function readPosition(rows: Rows): FactPosition | undefined {
  const text = rows.meta(key);
  if (!text) return undefined;
  return JSON.parse(text) as FactPosition;
}

/** False: an older program was there, and the facts that it left out are to be read. */
export function knowsAllKinds({ kinds }: FactPosition): boolean {
  return kinds === knownKinds;
}

/** Call it within the transaction. */
export function writePosition(rows: Rows, position: FactPosition): void {
  rows.setMeta(key, JSON.stringify(position));
  rows.setMeta(roundKey, String(position.round));
}

/** The whole log is read anew. */
export function forgetPosition(rows: Rows): void {
  if (rows.meta(key)) rows.setMeta(key, '');
}

/** The round that facts of this replica belong to. */
export function roundOf(rows: Rows): number {
  return Number(rows.meta(roundKey) ?? 0);
}
