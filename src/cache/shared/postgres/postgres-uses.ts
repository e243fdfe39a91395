/** Uses of contents in PostgreSQL: one row for each content, and one for each replica that is here. */
import type { Digest } from '../../../oci/digest.ts';
import type { ContentUses, ToldReplica } from '../content-uses.ts';
import type { Postgres } from './connection.ts';
import type { Migration } from './migration.ts';

/** See the head of the file. `used`: epoch ms. */
export const useTables: Migration = {
  sql: `
  create table content_uses (digest text collate "C" primary key, used bigint not null);
  create index content_uses_age on content_uses (used);
  create table content_users (replica text collate "C" primary key, told timestamptz not null);
`,
};

// Sorted, so that two replicas that tell of the same contents do not wait for each other.
const tell = `
  insert into content_uses as known (digest, used)
  select digest, used from jsonb_to_recordset($1::jsonb) as told (digest text, used bigint) order by digest collate "C"
  on conflict (digest) do update set used = excluded.used where excluded.used > known.used`;

const here = `
  insert into content_users (replica, told) values ($1, clock_timestamp())
  on conflict (replica) do update set told = excluded.told`;

const replicas = `
  select replica, (extract(epoch from clock_timestamp() - told) * 1000)::bigint as age
  from content_users order by replica`;

/** Rejects with `PostgresUnavailable` while there is no server. */
export function createPostgresUses({ query }: Pick<Postgres, 'query'>): ContentUses {
  return {
    async tell(uses) {
      const rows = uses.map(({ digest, used }) => ({ digest, used: Math.floor(used) }));
      if (rows.length > 0) await query(tell, [JSON.stringify(rows)]);
    },
    async of(digests) {
      if (digests.length === 0) return new Map();
      const rows = await query<{ digest: Digest; used: number }>(
        'select digest, used from content_uses where digest = any($1::text[])',
        [digests],
      );
      return new Map(rows.map(({ digest, used }) => [digest, used]));
    },
    async here(replica) {
      await query(here, [replica]);
    },
    async gone(replica) {
      await query('delete from content_users where replica = $1', [replica]);
    },
    replicas: () => query<ToldReplica>(replicas),
    async forget({ uses, silent }) {
      await query('delete from content_uses where used < $1', [Math.floor(uses)]);
      await query(
        "delete from content_users where told < clock_timestamp() - $1 * interval '1 millisecond'",
        [silent],
      );
    },
  };
}
