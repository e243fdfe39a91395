/**
 * Follows the log: what it has after the position of this replica is checked and applied, with the new position, in one transaction. It
 * reads the whole log where there is no position: a disk that is new, an index that was rebuilt, a log that is another one.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../lib/clock.ts';
import { type FactPosition, knowsAllKinds } from '../index/facts/fact-position.ts';
import type { RareLog } from '../rare-log.ts';
import { type Fact, type FactLog, isSameLog, type LoggedFact, type LogState } from './facts.ts';
import { readFact } from './read-fact.ts';
import type { SharedFacts } from './shared-facts.ts';

export interface FollowerDeps {
  readonly log: FactLog;
  readonly facts: SharedFacts;
  readonly clock: Clock;
  readonly lines: RareLog;
  readonly isStopped: () => boolean;
}

/** Facts that are read at once. */
const atOnce = 500;
/** Facts that are applied before other work has its turn. */
const perTurn = 200;

/**
 * Reads the log to its end. False if it came to no end: it was stopped, or the index was replaced meanwhile. Rejects as log and index do.
 */
export async function followLog({ log, facts, clock, lines, isStopped }: FollowerDeps): Promise<boolean> {
  const begun = clock.monotonic();
  let position: FactPosition | undefined = await positionFor(await log.state(), facts);
  const { reading } = position;
  let count = 0;
  for (;;) {
    const rows = await log.after(position.seq, atOnce);
    if (rows.length === 0) break;
    count += rows.length;
    for (let at = 0; at < rows.length; at += perTurn) {
      if (isStopped()) return false;
      const some = rows.slice(at, at + perTurn);
      const seq = some.at(-1)?.seq ?? position.seq;
      position = await facts.take(checked(some, lines), position, { seq, now: clock.now() });
      if (!position) return false;
      await turn();
    }
  }
  if (!reading) return true;
  await facts.settle({ now: clock.now, isStopped });
  const ms = Math.round(clock.monotonic() - begun);
  lines.info({ event: 'facts.read', facts: count, reading, ms }, 'all facts of the other replicas are known');
  return !isStopped();
}

async function positionFor(state: LogState, facts: SharedFacts): Promise<FactPosition> {
  const position = await facts.position();
  if (!position) return facts.begin(state, 'new');
  const isBehind = position.log === state.id && position.seq <= state.newest && knowsAllKinds(position);
  const { reading, seq } = position;
  const isLate = reading === 'late' ? !isBehind : reading === undefined && seq < state.forgotten;
  if (isLate && isSameLog(position.log, state.id)) return facts.begin(state, 'late');
  return isBehind ? position : facts.begin(state, 'new');
}

function checked(rows: readonly LoggedFact[], lines: RareLog): Fact[] {
  return rows.flatMap((row) => {
    const fact = readFact(row);
    if (fact) return [fact];
    const { seq, kind } = row;
    const fields = { event: 'facts.rowIgnored', seq, kind: String(kind).slice(0, 40) };
    lines.warn(fields, 'a row of the facts is none that this version knows: it is left out');
    return [];
  });
}
