/**
 * The log of facts in PostgreSQL. It has one row for each name: a later fact takes the place of an earlier one, and goes to the end of
 * the order. So the log is never longer than what there is to know, and a replica with an empty disk reads the same rows as one that
 * follows.
 *
 * Places are given under an advisory lock that is held until the commit. Without it two transactions could commit in another order
 * than that of their places, and a reader in between would never see the fact of the slower one.
 */
import { reasonOf } from '../../../lib/thrown.ts';
import { type Fact, type FactLog, FactRefused, type LoggedFact, type LogState } from '../facts.ts';
import { mostAhead, stampOf } from '../hybrid-clock.ts';
import { isOfValues } from '../unavailable.ts';
import { type Postgres, PostgresUnavailable } from './connection.ts';
import { lockSpace, locks } from './migrations.ts';

const channel = 'entrepot_facts';
/** Characters of values that one answer may have, apart from its first fact. */
const mostText = 4 * 1024 * 1024;
/** Facts that one call of `forget` looks at. */
const forgottenAtOnce = 1000;
/** ms for which a fact is kept whatever a replica says of the time. */
const leastLife = 29 * 24 * 60 * 60 * 1000;
const timeOfServer = `(extract(epoch from clock_timestamp()) * 1000)::bigint * ${stampOf(1)}`;

interface Appended {
  readonly image: string;
  readonly kind: string;
  readonly key: string;
  readonly stamp: number;
}

const facts =
  'jsonb_to_recordset($1::jsonb) as f (image text, kind text, key text, value jsonb, stamp bigint, origin text)';

// Of what a replica gives too early only the stamp is moved: which of two facts counts does not depend on when they are sent.
const append = `
  with turn as materialized (select pg_advisory_xact_lock(${lockSpace}, ${locks.append})),
  bound as materialized (
    select ${timeOfServer} + ${stampOf(mostAhead)} as most from turn),
  put as (
    insert into facts as known (image, kind, key, value, claimed, stamp, origin, seq)
    select f.image, f.kind, f.key, f.value, f.stamp, least(f.stamp, bound.most), f.origin, nextval('facts_seq')
    from bound cross join ${facts}
    on conflict (image, kind, key) do update set value = excluded.value, claimed = excluded.claimed,
      stamp = case when excluded.stamp > known.stamp then excluded.stamp else least(excluded.claimed, known.stamp + 1) end,
      origin = excluded.origin, seq = excluded.seq, written = excluded.written
    where (excluded.claimed, excluded.origin) > (known.stamp, known.origin)
      and (excluded.claimed, excluded.origin) <> (known.claimed, known.origin)
    returning image, kind, key, stamp)
  select image, kind, key, stamp, pg_notify('${channel}', '') from put`;

/** What was sent before, and whose answer was lost. */
const known = `
  select k.image, k.kind, k.key, k.stamp from facts k join ${facts}
    on k.image = f.image and k.kind = f.kind and k.key = f.key and k.claimed = f.stamp and k.origin = f.origin`;

// The checkpoint names the timeline minutes after a promotion. The name of the file that is written now has it at once.
const serverId = `
  select s.system_identifier::text || ':' || case when pg_is_in_recovery() then c.timeline_id
    else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int end as id
  from pg_control_system() s, pg_control_checkpoint() c`;

const after = `
  select seq, image, kind, key, value, stamp, origin from (
    select *, sum(coalesce(octet_length(value::text), 0)) over (order by seq) - coalesce(octet_length(value::text), 0) as before
    from (select * from facts where seq > $1 order by seq limit $2) page) sized
  where before < ${mostText} order by seq`;

// A replica whose clock is ahead must not take a fact from one that was away for a day.
const forget = `
  with turn as materialized (select pg_try_advisory_xact_lock(${lockSpace}, ${locks.prune}) as mine),
  bound as materialized (
    select least($1::bigint, most) as gone, least($2::bigint, most) as heard
    from (select ${timeOfServer} - ${stampOf(leastLife)} as most) server),
  old as (
    select image, kind, key, seq from facts
    where (select mine from turn) and stamp < (select greatest(gone, heard) from bound)
      and (value is null and stamp < (select gone from bound)
        or value is not null and kind in ('tag', 'link', 'list') and stamp < (select heard from bound))
    order by stamp limit ${forgottenAtOnce}),
  lost as (
    delete from facts using old
    where facts.image = old.image and facts.kind = old.kind and facts.key = old.key and facts.seq = old.seq
    returning facts.seq, facts.value is null as gone),
  noted as (
    update fact_log set forgotten = greatest(forgotten, (select max(seq) from lost where gone))
    where exists (select from lost where gone))
  select count(*) as facts from lost`;

/** Rejects with `PostgresUnavailable` while there is no server. */
export function createPostgresLog(postgres: Postgres): FactLog {
  /** Of a server that took over from another, the number of its timeline is another one. Some services do not tell it. */
  async function timeline(): Promise<string> {
    try {
      const [row] = await postgres.query<{ id: string }>(serverId);
      return row?.id ?? '';
    } catch (error) {
      if (error instanceof PostgresUnavailable) throw error;
      return '';
    }
  }

  return {
    async state(): Promise<LogState> {
      const [server, [row]] = await Promise.all([
        timeline(),
        postgres.query<{ id: string; forgotten: number; newest: number }>(
          'select id, forgotten, (select last_value from facts_seq) as newest from fact_log',
        ),
      ]);
      if (!row)
        throw new PostgresUnavailable(
          'the table fact_log has no row: the database was not restored as a whole',
        );
      return { ...row, id: `${row.id}:${server}` };
    },
    async append(some) {
      if (some.length === 0) return [];
      const given = [JSON.stringify(some.map(rowOf))];
      const put = await postgres.query<Appended>(append, given).catch(refused);
      const there = put.length < some.length ? await postgres.query<Appended>(known, given) : put;
      const stamps = new Map(there.map((row) => [nameOf(row), row.stamp]));
      return some.map((fact) => stamps.get(nameOf(fact)));
    },
    after: (seq, limit) => postgres.query<LoggedFact>(after, [seq, limit]),
    async forget({ gone, heard }) {
      const [row] = await postgres.query<{ facts: number }>(forget, [gone, heard]);
      return row?.facts ?? 0;
    },
    changed: (onChange) => postgres.listen(channel, onChange),
  };
}

function refused(error: unknown): never {
  if (error instanceof PostgresUnavailable || !isOfValues(error)) throw error;
  throw new FactRefused(reasonOf(error), { cause: error });
}

function rowOf({ image, kind, key, value, stamp, origin }: Fact): object {
  return { image, kind, key, value: value ?? null, stamp, origin };
}

function nameOf({ image, kind, key }: Pick<Appended, 'image' | 'kind' | 'key'>): string {
  return `${image}\n${kind}\n${key}`;
}
