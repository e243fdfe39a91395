/**
 * What an endpoint said of a name that is hosted: it does not count while the hosted fact is there. It is kept as a whole, so that
 * every replica comes to the same when the hosted one goes.
 */
import type { LinkValue, TagValue } from '../../shared/facts.ts';
import type { IndexRows } from '../index-rows.ts';
import type { FactName } from './fact-rows.ts';

type Rows = Pick<IndexRows, 'knownFact' | 'putFact'>;

/** `value` is what the rows say now, before a hosted fact takes its place. */
export function hideValue(rows: Rows, name: FactName, value: TagValue | LinkValue): void {
  const known = rows.knownFact(name);
  if (known && !known.isGone && known.value === undefined)
    rows.putFact(name, { ...known, value: JSON.stringify(value) });
}

/** The value that was hidden, if the name is there at all; it is hidden no more. */
export function revealValue<Value>(rows: Rows, name: FactName): Value | undefined {
  const known = rows.knownFact(name);
  if (!known || known.isGone || known.value === undefined) return undefined;
  if (!known.waits) rows.putFact(name, { ...known, value: undefined });
  return JSON.parse(known.value) as Value;
}
