/** The tables of jobs in PostgreSQL. They have the columns of those in the index, and the meaning. */
import type { Migration } from '../migration.ts';

/** See the head of the file. */
export const jobTables: Migration = {
  sql: `
  create table jobs (
    id bigint generated always as identity primary key,
    kind text collate "C" not null,
    key text collate "C" not null,
    arguments text not null,
    state text collate "C" not null,
    priority integer not null,
    not_before bigint not null,
    cause text collate "C" not null,
    created bigint not null,
    attempts integer not null default 0,
    failures integer not null default 0,
    lost integer not null default 0,
    reason text,
    progress text,
    started bigint,
    ended bigint,
    owner text,
    expires bigint
  );
  create unique index jobs_waiting on jobs (kind, key) where state in ('pending', 'failed');
  create unique index jobs_running on jobs (kind, key) where state = 'running';
  create index jobs_key on jobs (kind, key, id);
  create index jobs_due on jobs (priority, not_before, id) where state = 'pending';
  create index jobs_cause on jobs (cause) where state = 'pending';
  create index jobs_state on jobs (state, id);
  create index jobs_over on jobs (ended, id) where state in ('done', 'failed', 'cancelled');
  create table inbox (
    id bigint generated always as identity primary key,
    fingerprint text collate "C" not null unique,
    taken bigint not null
  );
`,
};
