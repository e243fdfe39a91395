/** The robot tokens in PostgreSQL. */
import type { TokenStore } from '../token-store.ts';
import type { Postgres } from './connection.ts';
import type { Migration } from './migration.ts';

/** See the head of the file. */
export const tokenTables: Migration = {
  sql: `
  create table tokens (
    hash text collate "C" primary key,
    robot text,
    revoked bigint,
    check ((robot is null) = (revoked is not null))
  );
`,
};

const channel = 'entrepot_tokens';

const put = `
  with put as (
    insert into tokens as known (hash, robot, revoked)
    select hash, robot, revoked from jsonb_to_recordset($1::jsonb) as told (hash text, robot text, revoked bigint)
    on conflict (hash) do update set robot = null, revoked = excluded.revoked
    where excluded.revoked is not null and known.revoked is null
    returning hash)
  select pg_notify('${channel}', '') from put limit 1`;

/** Rejects with `PostgresUnavailable` while there is no server. */
export function createPostgresTokens({ query, listen }: Pick<Postgres, 'query' | 'listen'>): TokenStore {
  return {
    async all() {
      const rows = await query<{ hash: string; robot: string | null; revoked: number | null }>(
        'select hash, robot, revoked from tokens order by hash',
      );
      return rows.map(({ hash, robot, revoked }) => ({
        hash,
        robot: robot ?? undefined,
        revoked: revoked ?? undefined,
      }));
    },
    async put(rows) {
      if (rows.length > 0) await query(put, [JSON.stringify(rows)]);
    },
    changed: (onChange) => listen(channel, onChange),
  };
}
