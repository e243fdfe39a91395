/** Facts in SQLite: the latest of each name, and what waits to be sent. Each method runs in one turn. */
import type { Database } from 'better-sqlite3';
import type { Digest } from '../../../oci/digest.ts';
import { type Fact, type FactKind, factKinds } from '../../shared/facts.ts';
import { digestKey, keyDigest } from '../digest-key.ts';
import type { Names } from '../string-table.ts';
import { createToldRows, type ToldRows } from './told-rows.ts';

/** What is kept of the latest fact about a name. */
export interface KnownFact {
  readonly stamp: number;
  readonly origin: string;
  readonly isGone: boolean;
  readonly waits: boolean;
  readonly round: number;
  /** JSON; of a fact that waits, or that is hidden. */
  readonly value: string | undefined;
}

/** Which name a fact is about. */
export type FactName = Pick<Fact, 'kind' | 'image' | 'key'>;

/** A name with what is kept of it. */
export type NamedFact = FactName & KnownFact;

/** A place in the order of all names. */
export type FactPlace = readonly [image: number, kind: number, key: Buffer | string];

export interface FactRows extends ToldRows {
  knownFact(name: FactName): KnownFact | undefined;
  putFact(name: FactName, known: KnownFact): void;
  /** Nothing is kept of the name any more. */
  removeFact(name: FactName): void;
  /** The oldest that wait, as a whole; at most `limit`, fewer where they are large. */
  waitingFacts(limit: number): Fact[];
  countWaitingFacts(): number;
  /** Remembers the numbers of these names. Not within a transaction, in which nothing new is remembered. */
  rememberNames(texts: Iterable<string>): void;
  /** Known facts in the order of their names, from after `after`, and the place of the last one. */
  factsFrom(after: FactPlace | undefined, limit: number): { facts: NamedFact[]; last: FactPlace | undefined };
  lastStamp(): number;
  /** Forgets at most `limit` that the log has: gone ones with a stamp before `gone`, and what endpoints said before `heard`. */
  forgetFacts(before: { readonly gone: number; readonly heard: number }, limit: number): number;
  /** Forgets at most `limit` of all. */
  clearFacts(limit: number): number;
}

interface Row {
  readonly stamp: number;
  readonly origin: string;
  readonly gone: 0 | 1;
  readonly waits: 0 | 1;
  readonly round: number;
  readonly value: string | null;
}

interface NamedRow extends Row {
  readonly image: string;
  readonly imageId: number;
  readonly kind: number;
  readonly key: Buffer | string;
}

interface Place {
  readonly image: number;
  readonly kind: number;
  readonly key: Buffer | string;
}

/** Characters of the values that are sent at once, apart from the first. */
const mostText = 4 * 1024 * 1024;
/** Of these an endpoint is the source: it can be asked again. */
const heardKinds: readonly FactKind[] = ['tag', 'link', 'list'];

/** Prepares its statements at once; every method throws what SQLite throws. */
export function createFactRows(db: Database, names: Names): FactRows {
  const columns = 'f.stamp, o.name AS origin, f.gone, f.waits, f.round, f.value';
  const named = `${columns}, i.name AS image, f.image AS imageId, f.kind, f.key`;
  const joined = 'facts f CROSS JOIN names o ON o.id = f.origin';
  const select = db.prepare<[number, number, Buffer | string], Row>(
    `SELECT ${columns} FROM ${joined} WHERE f.image = ? AND f.kind = ? AND f.key = ?`,
  );
  const upsert = db.prepare<
    [number, number, Buffer | string, number, number, 0 | 1, 0 | 1, number, string | null]
  >(`
    INSERT INTO facts (image, kind, key, stamp, origin, gone, waits, round, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET stamp = excluded.stamp, origin = excluded.origin, gone = excluded.gone, waits = excluded.waits,
      round = excluded.round, value = excluded.value`);
  const remove = db.prepare<[number, number, Buffer | string]>(
    'DELETE FROM facts WHERE image = ? AND kind = ? AND key = ?',
  );
  const waiting = db.prepare<[number], NamedRow>(
    `SELECT ${named} FROM ${joined} CROSS JOIN names i ON i.id = f.image WHERE f.waits = 1 ORDER BY f.stamp LIMIT ?`,
  );
  const count = db.prepare<[], number>('SELECT count(*) FROM facts WHERE waits = 1').pluck();
  const from = db.prepare<[number, number, Buffer | string, number], NamedRow>(`
    SELECT ${named} FROM ${joined} CROSS JOIN names i ON i.id = f.image
    WHERE (f.image, f.kind, f.key) > (?, ?, ?) ORDER BY f.image, f.kind, f.key LIMIT ?`);
  const last = db.prepare<[0 | 1], number | null>('SELECT max(stamp) FROM facts WHERE waits = ?').pluck();
  const heard = heardKinds.map((kind) => factKinds.indexOf(kind)).join();
  const old = db.prepare<[{ most: number; gone: number; heard: number; limit: number }], Place>(`
    SELECT image, kind, key FROM facts
    WHERE waits = 0 AND stamp < $most AND (gone = 1 AND stamp < $gone OR gone = 0 AND kind IN (${heard}) AND stamp < $heard)
    ORDER BY stamp LIMIT $limit`);
  const any = db.prepare<[number], Place>(
    'SELECT image, kind, key FROM facts ORDER BY image, kind, key LIMIT ?',
  );

  function removeAll(places: readonly Place[]): number {
    for (const { image, kind, key } of places) remove.run(image, kind, key);
    return places.length;
  }

  return {
    ...createToldRows(db, names),
    knownFact({ image, kind, key }) {
      const id = names.find(image);
      const row = id === undefined ? undefined : select.get(id, factKinds.indexOf(kind), keyOf(kind, key));
      return row && known(row);
    },
    putFact({ image, kind, key }, { stamp, origin, isGone, waits, round, value = null }) {
      const [imageId, originId] = [names.intern(image), names.intern(origin)];
      const place = [imageId, factKinds.indexOf(kind), keyOf(kind, key)] as const;
      upsert.run(...place, stamp, originId, isGone ? 1 : 0, waits ? 1 : 0, round, value);
    },
    removeFact({ image, kind, key }) {
      const id = names.find(image);
      if (id !== undefined) remove.run(id, factKinds.indexOf(kind), keyOf(kind, key));
    },
    waitingFacts(limit) {
      const facts: Fact[] = [];
      let text = 0;
      for (const row of waiting.iterate(limit)) {
        const { stamp, origin, value } = row;
        text += value?.length ?? 0;
        if (facts.length > 0 && text > mostText) break;
        facts.push({
          ...nameOf(row),
          stamp,
          origin,
          value: value === null ? undefined : JSON.parse(value),
        } as Fact);
      }
      return facts;
    },
    countWaitingFacts: () => count.get() ?? 0,
    rememberNames(texts) {
      for (const text of texts) names.find(text);
    },
    factsFrom(after, limit) {
      const rows = from.all(...(after ?? [0, -1, '']), limit);
      const end = rows.at(-1);
      const facts = rows.map((row) => ({ ...nameOf(row), ...known(row) }));
      return { facts, last: end && [end.imageId, end.kind, end.key] };
    },
    lastStamp: () => Math.max(last.get(0) ?? 0, last.get(1) ?? 0),
    forgetFacts: db.transaction((before: { gone: number; heard: number }, limit: number) =>
      removeAll(old.all({ ...before, most: Math.max(before.gone, before.heard), limit })),
    ),
    clearFacts: db.transaction((limit: number) => removeAll(any.all(limit))),
  };
}

function isOfDigest(kind: FactKind | undefined): boolean {
  return kind === 'link' || kind === 'hostedLink';
}

function keyOf(kind: FactKind, key: string): Buffer | string {
  return isOfDigest(kind) ? digestKey(key as Digest) : key;
}

function nameOf({ image, kind: place, key }: NamedRow): FactName {
  const kind = factKinds[place] ?? 'pin';
  return { kind, image, key: typeof key === 'string' ? key : keyDigest(key) };
}

function known({ stamp, origin, gone, waits, round, value }: Row): KnownFact {
  return { stamp, origin, isGone: gone === 1, waits: waits === 1, round, value: value ?? undefined };
}
