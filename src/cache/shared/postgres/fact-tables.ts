/** The tables of facts in PostgreSQL: one row for each name, the latest. */
import type { Migration } from './migration.ts';

/** See the head of the file. `claimed`: the stamp that the replica gave; `stamp` is earlier where that was too far ahead. */
export const factTables: Migration = {
  sql: `
  create sequence facts_seq;
  create table facts (
    image text collate "C" not null,
    kind text collate "C" not null,
    key text collate "C" not null,
    value jsonb,
    claimed bigint not null,
    stamp bigint not null,
    origin text collate "C" not null,
    seq bigint not null,
    written timestamptz not null default clock_timestamp(),
    primary key (image, kind, key)
  );
  create unique index facts_order on facts (seq);
  create index facts_age on facts (stamp);
  create table fact_log (
    id uuid not null default gen_random_uuid(),
    forgotten bigint not null default 0,
    one boolean primary key default true check (one)
  );
  insert into fact_log default values;
`,
};
