/**
 * The tables of the outbox in PostgreSQL. They have the meaning of those in the index, but for `waiting`: the deliveries of a lane that
 * wait. One statement adds to it while another takes away, so no lane is lost between a look at its deliveries and a write.
 */
import type { Migration } from '../migration.ts';

/** See the head of the file. */
export const outboxTables: Migration = {
  sql: `
  create table outbox_events (
    number bigint generated always as identity primary key,
    id text collate "C" not null unique,
    at bigint not null,
    event text not null
  );
  create index outbox_events_at on outbox_events (at);
  create table outbox_deliveries (
    sink text collate "C" not null,
    event bigint not null references outbox_events,
    lane text collate "C" not null,
    state text collate "C" not null,
    since bigint not null,
    tries integer not null default 0,
    refusals integer not null default 0,
    reason text,
    primary key (sink, event)
  );
  create index outbox_deliveries_event on outbox_deliveries (event);
  create index outbox_deliveries_lane on outbox_deliveries (sink, lane, event) where state = 'waiting';
  create index outbox_deliveries_since on outbox_deliveries (sink, state, since, event);
  create table outbox_lanes (
    sink text collate "C" not null,
    lane text collate "C" not null,
    not_before bigint not null,
    waiting bigint not null,
    primary key (sink, lane)
  );
  create index outbox_lanes_due on outbox_lanes (sink, not_before, lane) where waiting > 0;
  create table outbox_senders (
    sink text collate "C" primary key,
    owner text collate "C" not null,
    expires timestamptz not null
  );
`,
};
