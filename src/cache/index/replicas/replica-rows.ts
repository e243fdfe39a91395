/** The states of replicas in the index. Each method runs in one turn; each write is a transaction. */
import type { Database } from 'better-sqlite3';
import type { Digest } from '../../../oci/digest.ts';
import { digestKey, keyDigest } from '../digest-key.ts';
import {
  type Replica,
  type ReplicaPosition,
  type ReplicaRepository,
  type ReplicaState,
  type ReplicaTag,
  replicaStates,
} from './replica-store.ts';

export interface ReplicaRows {
  replica(position: ReplicaPosition): Replica | undefined;
  putReplicas(replicas: readonly Replica[]): void;
  replicasOf(image: string): Replica[];
  /** Of one block, or of all. Gives those that were there. */
  removeReplicas(image: string, tags: readonly string[], sync: string | undefined): ReplicaPosition[];
  listReplicas(after: ReplicaPosition | undefined, limit: number): Replica[];
  replicaRepositories(after: string, limit: number): ReplicaRepository[];
  /** Gives the rows that changed. */
  postponeReplicas(
    which: { sync: string; image: string } | ReplicaTag,
    nextAttempt: number | undefined,
  ): Replica[];
  replicaCounts(): { state: ReplicaState; tags: number }[];
  oldestReplicaFailure(): number | undefined;
  /** The block after this one, by name, and the image of a block: of those that have rows. */
  nextReplicaSync(after: string): string | undefined;
  nextReplicaImage(sync: string, after: string): string | undefined;
  /** Gives those that were there. */
  forgetReplicas(sync: string, image: string): ReplicaPosition[];
  runningReplicas(): Replica[];
}

/** A row as SQLite has it: the state by its place in `replicaStates`, what is not there as null. */
interface Row extends Nulls<Omit<Replica, 'state' | 'wanted' | 'here'>> {
  readonly state: number;
  readonly wanted: Buffer | null;
  readonly here: Buffer | null;
}

/** Where a value may be missing, it is null. */
type Nulls<T> = {
  readonly [Key in keyof T]: undefined extends T[Key] ? Exclude<T[Key], undefined> | null : T[Key];
};

const columns = `image, tag, sync, state, wanted, here, attempts, next_attempt AS nextAttempt, reason, bytes, seconds,
  verified AS verifiedAt, changed AS changedAt, done AS doneAt, failed AS failedAt, referrers AS referrersAt`;

const running = replicaStates.indexOf('running');

/** Every method throws what SQLite throws. */
export function createReplicaRows(db: Database): ReplicaRows {
  const find = db.prepare<[string, string, string], Row>(
    `SELECT ${columns} FROM replicas WHERE image = ? AND tag = ? AND sync = ?`,
  );
  const ofImage = db.prepare<[string], Row>(
    `SELECT ${columns} FROM replicas WHERE image = ? ORDER BY tag, sync`,
  );
  const put = db.prepare<[Record<string, unknown>]>(`
    INSERT INTO replicas (image, tag, sync, state, wanted, here, attempts, next_attempt, reason, bytes, seconds,
      verified, changed, done, failed, referrers)
    VALUES ($image, $tag, $sync, $state, $wanted, $here, $attempts, $nextAttempt, $reason, $bytes, $seconds,
      $verifiedAt, $changedAt, $doneAt, $failedAt, $referrersAt)
    ON CONFLICT DO UPDATE SET state = excluded.state, wanted = excluded.wanted, here = excluded.here,
      attempts = excluded.attempts, next_attempt = excluded.next_attempt, reason = excluded.reason, bytes = excluded.bytes,
      seconds = excluded.seconds, verified = excluded.verified, changed = excluded.changed, done = excluded.done,
      failed = excluded.failed, referrers = excluded.referrers`);
  const named = 'image = ? AND tag IN (SELECT value FROM json_each(?))';
  const position = 'RETURNING image, tag, sync';
  const remove = db.prepare<[string, string], ReplicaPosition>(
    `DELETE FROM replicas WHERE ${named} ${position}`,
  );
  const removeOf = db.prepare<[string, string, string], ReplicaPosition>(
    `DELETE FROM replicas WHERE ${named} AND sync = ? ${position}`,
  );
  const list = db.prepare<[string, string, string, number], Row>(
    `SELECT ${columns} FROM replicas WHERE (image, tag, sync) > (?, ?, ?) ORDER BY image, tag, sync LIMIT ?`,
  );
  // 'reason' is that of the row that has the greatest state (SQLite, "Bare columns in an aggregate query").
  const repositories = db.prepare<
    [string, number],
    Pick<Nulls<ReplicaRepository>, 'image' | 'bytes' | 'reason'> & { state: number }
  >(`
    SELECT image, max(state) AS state, sum(bytes) AS bytes, reason
    FROM replicas WHERE image > ? GROUP BY image ORDER BY image LIMIT ?`);
  // A tag that two blocks want is one tag.
  const tagsOf = db.prepare<[string], Pick<ReplicaRepository, 'tags' | 'done'>>(`
    SELECT count(*) AS tags, coalesce(sum(state = 0), 0) AS done
    FROM (SELECT max(state) AS state FROM replicas WHERE image = ? AND tag <> '' GROUP BY tag) AS one`);
  const times = db.prepare<
    [string],
    Nulls<Pick<ReplicaRepository, 'failedAt' | 'nextAttempt' | 'verifiedAt'>>
  >(`
    SELECT min(failed) AS failedAt, min(next_attempt) AS nextAttempt, min(verified) AS verifiedAt
    FROM replicas WHERE image = ?`);
  const failing = `state >= ${replicaStates.indexOf('partial')}`;
  const isOther = '(next_attempt IS NOT $next)';
  const postponeBlock = db.prepare<[{ next: number | null; sync: string; image: string }], Row>(
    `UPDATE replicas SET next_attempt = $next WHERE sync = $sync AND image = $image AND ${failing} AND ${isOther}
     RETURNING ${columns}`,
  );
  const postponeTag = db.prepare<[{ next: number | null; image: string; tag: string }], Row>(
    `UPDATE replicas SET next_attempt = $next WHERE image = $image AND tag = $tag AND ${failing} AND ${isOther}
     RETURNING ${columns}`,
  );
  const counts = db.prepare<[], { state: number; tags: number }>(
    'SELECT state, tags FROM replica_counts WHERE tags > 0 ORDER BY state',
  );
  const oldest = db
    .prepare<[], number>('SELECT failed FROM replicas WHERE failed IS NOT NULL ORDER BY failed LIMIT 1')
    .pluck();
  const nextSync = db
    .prepare<[string], string>('SELECT sync FROM replicas WHERE sync > ? ORDER BY sync LIMIT 1')
    .pluck();
  const nextImage = db
    .prepare<[string, string], string>(
      'SELECT image FROM replicas WHERE sync = ? AND image > ? ORDER BY image LIMIT 1',
    )
    .pluck();
  const forget = db.prepare<[string, string], ReplicaPosition>(
    `DELETE FROM replicas WHERE sync = ? AND image = ? ${position}`,
  );
  const allRunning = db.prepare<[], Row>(`SELECT ${columns} FROM replicas WHERE state = ${running}`);

  return {
    replica({ image, tag, sync }) {
      const row = find.get(image, tag, sync);
      return row && asReplica(row);
    },
    putReplicas: db.transaction((replicas: readonly Replica[]) => {
      for (const replica of replicas) put.run(asRow(replica));
    }),
    replicasOf: (image) => ofImage.all(image).map(asReplica),
    removeReplicas: (image, tags, sync) =>
      sync === undefined
        ? remove.all(image, JSON.stringify(tags))
        : removeOf.all(image, JSON.stringify(tags), sync),
    listReplicas: (after, limit) =>
      list.all(after?.image ?? '', after?.tag ?? '', after?.sync ?? '', limit).map(asReplica),
    replicaRepositories: (after, limit) =>
      repositories.all(after, limit).map((row) => {
        const { failedAt, nextAttempt, verifiedAt } = times.get(row.image) ?? {};
        return {
          ...row,
          ...(tagsOf.get(row.image) ?? { tags: 0, done: 0 }),
          state: stateOf(row.state),
          reason: row.reason ?? undefined,
          failedAt: failedAt ?? undefined,
          nextAttempt: nextAttempt ?? undefined,
          verifiedAt: verifiedAt ?? undefined,
        };
      }),
    postponeReplicas(which, nextAttempt) {
      const next = nextAttempt ?? null;
      const rows =
        'sync' in which ? postponeBlock.all({ ...which, next }) : postponeTag.all({ ...which, next });
      return rows.map(asReplica);
    },
    replicaCounts: () => counts.all().map(({ state, tags }) => ({ state: stateOf(state), tags })),
    oldestReplicaFailure: () => oldest.get(),
    nextReplicaSync: (after) => nextSync.get(after),
    nextReplicaImage: (sync, after) => nextImage.get(sync, after),
    forgetReplicas: (sync, image) => forget.all(sync, image),
    runningReplicas: () => allRunning.all().map(asReplica),
  };
}

function stateOf(number: number): ReplicaState {
  return replicaStates[number] ?? 'failed';
}

function asRow({ state, wanted, here, ...rest }: Replica): Record<string, unknown> {
  return {
    ...Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, value ?? null])),
    state: replicaStates.indexOf(state),
    wanted: wanted ? digestKey(wanted) : null,
    here: here ? digestKey(here) : null,
  };
}

function asReplica({
  image,
  tag,
  sync,
  state,
  wanted,
  here,
  attempts,
  bytes,
  seconds,
  ...row
}: Row): Replica {
  return {
    image,
    tag,
    sync,
    state: stateOf(state),
    wanted: digestOf(wanted),
    here: digestOf(here),
    attempts,
    nextAttempt: row.nextAttempt ?? undefined,
    reason: row.reason ?? undefined,
    bytes,
    seconds,
    verifiedAt: row.verifiedAt ?? undefined,
    changedAt: row.changedAt ?? undefined,
    doneAt: row.doneAt ?? undefined,
    failedAt: row.failedAt ?? undefined,
    referrersAt: row.referrersAt ?? undefined,
  };
}

function digestOf(key: Buffer | null): Digest | undefined {
  return key === null ? undefined : keyDigest(key);
}
