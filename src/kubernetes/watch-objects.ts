/**
 * All kinds together, as one text. It exists once every kind is known: half of the objects could omit a block. A change is announced
 * half a second later, since objects are often applied several at a time.
 */
import type { Clock, Timer } from '../lib/clock.ts';
import type { Log } from '../telemetry/log.ts';
import type { ApiClient } from './api-client.ts';
import { followKind } from './follow-kind.ts';
import { createObjectTable, type ObjectTable, watchedKinds } from './object-table.ts';

export interface WatchedObjects {
  /** A list of all objects as JSON; undefined if a kind was never read. */
  readonly text: string | undefined;
  readonly tables: readonly Pick<ObjectTable, 'of' | 'state' | 'reason' | 'objects'>[];
  /** Begins. `changed` is called when `text` is another one. */
  start(changed: () => void): void;
  /** Resolves once every kind is known, or one is refused, or after so many ms. */
  settled(ms: number): Promise<void>;
  stop(): Promise<void>;
}

export interface WatchObjectsDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** One for each kind. */
  readonly clients: () => ApiClient;
}

/** ms. */
const collecting = 500;

/** Asks nothing before `start`. */
export function watchObjects(deps: WatchObjectsDeps): WatchedObjects {
  const { clock, log, random } = deps;
  const stopped = new AbortController();
  const { promise: isSettled, resolve: settle } = Promise.withResolvers<void>();
  const logged = new Map<ObjectTable, string>();
  let announced: string | undefined;
  let announce: () => void = () => {};
  let timer: Timer | undefined;
  let running: readonly Promise<void>[] = [];

  const tables = watchedKinds.map((kind) => createObjectTable(kind, changed));

  function textOf(): string | undefined {
    const known = tables.map(({ objects }) => objects);
    if (known.some((objects) => objects === undefined)) return undefined;
    const items = known.flatMap((objects) => objects ?? []).join(',\n');
    return `{"apiVersion": "v1", "kind": "List", "items": [\n${items}\n]}\n`;
  }

  function changed(table: ObjectTable): void {
    tell(table);
    const isWhole = tables.every(({ objects }) => objects !== undefined);
    if (isWhole || table.state === 'forbidden') settle();
    if (!isWhole || timer) return;
    timer = clock.after(collecting, () => {
      timer = undefined;
      const text = textOf();
      if (text === announced) return;
      announced = text;
      announce();
    });
  }

  /** Once for each change of a state, not for each try. */
  function tell(table: ObjectTable): void {
    const { state, reason, objects, of } = table;
    if (logged.get(table) === state || state === 'unknown') return;
    logged.set(table, state);
    const fields = { kind: of.kind, reason };
    const kept = objects === undefined ? 'none is known' : 'those known last stay in force';
    if (state === 'listed') {
      log.info(
        { event: 'policies.watched', kind: of.kind, objects: objects?.length },
        'objects of the cluster are watched',
      );
    } else if (state === 'absent') {
      log.info({ event: 'policies.absent', kind: of.kind }, 'the cluster has no such kind of objects');
    } else if (state === 'forbidden') {
      const message = `the account may not list and watch these objects, so ${kept}: give it a ClusterRole`;
      log.warn({ event: 'policies.forbidden', ...fields }, message);
    } else
      log.warn(
        { event: 'policies.unreachable', ...fields },
        `objects of the cluster cannot be read, so ${kept}`,
      );
  }

  return {
    get text() {
      return textOf();
    },
    tables,
    start(changed) {
      announce = changed;
      const { signal } = stopped;
      running = tables.map(async (table) => {
        const client = deps.clients();
        try {
          await followKind(table, { client, clock, random, signal });
        } finally {
          await client.close();
        }
      });
    },
    async settled(ms) {
      const late = clock.after(ms, settle);
      await isSettled;
      late.cancel();
    },
    async stop() {
      timer?.cancel();
      stopped.abort();
      await Promise.all(running);
    },
  };
}
