/**
 * The tables in PostgreSQL, as numbered steps. A step that was released is never changed.
 *
 * During a rolling upgrade two versions of the program use one database, so a step only adds: a table, a column with a default, an
 * index. What an older program cannot live with says so by `oldest`: the first version of the schema whose program still works. An
 * older program then refuses the database and goes on serving from its disk.
 */
import { EntrepotError } from '../../../errors.ts';
import type { Query, Statements } from './connection.ts';
import { factTables } from './fact-tables.ts';
import { jobTables } from './jobs/job-tables.ts';
import type { Migration } from './migration.ts';
import { outboxTables } from './outbox/outbox-tables.ts';
import { tokenTables } from './postgres-tokens.ts';
import { useTables } from './postgres-uses.ts';

/** Append only. */
export const migrations: readonly Migration[] = [jobTables, factTables, tokenTables, useTables, outboxTables];

/** Advisory locks, each with a number of its own: `pg_advisory_xact_lock(lockSpace, n)`. */
export const lockSpace = 0x656e7472;
/** See `lockSpace`. */
export const locks = { migration: 1, append: 2, prune: 3, inbox: 4, outbox: 5 } as const;

interface Version {
  readonly version: number;
  readonly oldest: number;
}

/**
 * Takes the database to the last of `steps`; several replicas at once do each step once. A role that may not create tables can use a
 * database that is up to date. Rejects with EntrepotError FACTS_TOO_NEW, or as the statements do.
 */
export async function migrate(statements: Statements, steps = migrations): Promise<void> {
  const found = await versionOf(statements.query);
  check(found, steps);
  if (found.version >= steps.length) return;
  await statements.transaction(async (query) => {
    await query(`select pg_advisory_xact_lock(${lockSpace}, ${locks.migration})`);
    await query(
      'create table if not exists schema_version (version integer not null, oldest integer not null, at timestamptz not null default now())',
    );
    let { version, oldest } = await versionOf(query);
    check({ version, oldest }, steps);
    for (const step of steps.slice(version)) {
      await query(step.sql);
      version += 1;
      oldest = Math.max(oldest, step.oldest ?? 0);
      await query('insert into schema_version (version, oldest) values ($1, $2)', [version, oldest]);
    }
  });
}

/** One row for each step that was done. */
async function versionOf(query: Query): Promise<Version> {
  const [there] = await query<{ is: boolean }>("select to_regclass('schema_version') is not null as is");
  if (!there?.is) return { version: 0, oldest: 0 };
  const [row] = await query<Version>(
    'select coalesce(max(version), 0) as version, coalesce(max(oldest), 0) as oldest from schema_version',
  );
  return row ?? { version: 0, oldest: 0 };
}

function check({ version, oldest }: Version, steps: readonly Migration[]): void {
  if (oldest <= steps.length) return;
  throw new EntrepotError(
    'FACTS_TOO_NEW',
    `the database has version ${version}, which needs an Entrepot that knows version ${oldest}; this one knows ${steps.length}: ` +
      'upgrade this replica. Until then it serves what it has',
  );
}
