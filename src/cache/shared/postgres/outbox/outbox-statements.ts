/**
 * Statements of the outbox in PostgreSQL. Each that ends or adds deliveries that wait counts them in their lane, in the same statement:
 * the row of the lane is what writers take turns at. None reads a state that it has not locked and then writes by it.
 */
import { longestWait, tooManyWaited, waitedTooLong } from '../../../index/outbox/outbox-store.ts';
import { outboxChannel } from './outbox-channel.ts';

/** Deliveries of `from (sink, lane, since)`, which wait from now on, in their lanes. */
const openLanes = (from: string) => `
  insert into outbox_lanes as known (sink, lane, not_before, waiting)
  select sink, lane, min(since), count(*) from ${from} group by sink, lane order by sink, lane
  on conflict (sink, lane) do update set waiting = known.waiting + excluded.waiting,
    not_before = case when known.waiting = 0 then excluded.not_before else known.not_before end`;

/** The same for deliveries of `from (sink, lane)`, which wait no more; their lanes are due at `now`. */
const closeLanes = (from: string, now: string) => `
  update outbox_lanes lanes set waiting = waiting - over.deliveries, not_before = ${now}
  from (select sink, lane, count(*) as deliveries from ${from} group by sink, lane order by sink, lane) over
  where lanes.sink = over.sink and lanes.lane = over.lane`;

/** Gives nothing. $1: JSON of events with their deliveries. One that is known by its id is left out. */
export const take = `
  with told as (
    select * from jsonb_to_recordset($1::jsonb) as t (place integer, id text, at bigint, event text, deliveries jsonb)),
  fresh as (
    insert into outbox_events (id, at, event) select id, at, event from told order by place
    on conflict (id) do nothing returning number, id),
  wanted as (
    select fresh.number, d.* from fresh join told on told.id = fresh.id
    cross join jsonb_to_recordset(told.deliveries) as d
      (sink text, lane text, state text, since bigint, tries integer, refusals integer, reason text)),
  put as (
    insert into outbox_deliveries (sink, event, lane, state, since, tries, refusals, reason)
    select sink, number, lane, state, since, tries, refusals, reason from wanted),
  waiting as (select sink, lane, since from wanted where state = 'waiting'),
  lanes as (${openLanes('waiting')})
  select pg_notify('${outboxChannel}', '')`;

const delivery = `e.number, e.id, e.at, e.event, d.sink, d.lane, d.since, d.tries, d.refusals`;

/** $1: sink, $2: now, $3: limit. */
export const due = `
  with lanes as (
    (select lane, not_before, false as is_far from outbox_lanes where sink = $1 and waiting > 0 and not_before <= $2
     order by not_before, lane limit $3)
    union all
    (select lane, not_before, true from outbox_lanes where sink = $1 and waiting > 0 and not_before > $2 + ${longestWait}
     order by not_before, lane limit $3))
  select first.* from lanes cross join lateral (
    select ${delivery} from outbox_deliveries d join outbox_events e on e.number = d.event
    where d.sink = $1 and d.lane = lanes.lane and d.state = 'waiting' order by d.event limit 1) first
  order by lanes.is_far, lanes.not_before, lanes.lane limit $3`;

/** $1: sink, $2: now. */
export const nextDue =
  'select min(not_before) as due from outbox_lanes where sink = $1 and waiting > 0 and not_before > $2';

const isIt = "sink = $1 and event = $2 and state = 'waiting'";

/** $1: sink, $2: number of the event, $3: now. */
export const delivered = `
  with over as (delete from outbox_deliveries where ${isIt} returning sink, lane)
  ${closeLanes('over', '$3::bigint')}`;

/** $1: sink, $2: number, $3: now, $4: reason. */
export const bury = `
  with over as (
    update outbox_deliveries set state = 'dead', since = $3, reason = $4, tries = tries + 1 where ${isIt} returning sink, lane)
  ${closeLanes('over', '$3::bigint')}`;

/** $1: sink, $2: number, $3: until, $4: reason, $5: refusals to add. */
export const postpone = `
  with tried as (
    update outbox_deliveries set reason = $4, tries = tries + 1, refusals = refusals + $5 where ${isIt} returning sink, lane)
  update outbox_lanes lanes set not_before = $3 from tried where lanes.sink = tried.sink and lanes.lane = tried.lane`;

/** $1: state, $2: sink or null, $3 and $4: the delivery before, $5: limit. */
export const list = `
  select ${delivery}, d.state, d.reason, case when d.state = 'waiting' and d.event = (
      select min(event) from outbox_deliveries w where w.sink = d.sink and w.lane = d.lane and w.state = 'waiting')
    then (select not_before from outbox_lanes l where l.sink = d.sink and l.lane = d.lane) end as due
  from outbox_deliveries d join outbox_events e on e.number = d.event
  where d.state = $1 and ($2::text is null or d.sink = $2) and (d.sink, d.event) > ($3, $4)
  order by d.sink, d.event limit $5`;

export const counts = `
  select sink, count(*) filter (where state = 'waiting') as waiting, count(*) filter (where state = 'dead') as dead,
    min(since) filter (where state = 'waiting') as oldest
  from outbox_deliveries group by sink order by sink`;

const again = "state = 'waiting', since = $2, tries = 0, refusals = 0";

/** Gives how many. $1: sink or null, $2: now, $3: limit. */
export const replayDead = `
  with chosen as (
    select sink, event from outbox_deliveries where state = 'dead' and ($1::text is null or sink = $1)
    order by sink, event limit $3),
  replayed as (
    update outbox_deliveries d set ${again} from chosen
    where d.sink = chosen.sink and d.event = chosen.event and d.state = 'dead' returning d.sink, d.lane, d.since),
  lanes as (${openLanes('replayed')})
  select count(*) as deliveries, pg_notify('${outboxChannel}', '') from replayed`;

/** $1: the earliest time, $2: the number before, $3: limit. */
export const eventsSince =
  'select number, event from outbox_events where number > $2 and at >= $1 order by number limit $3';

/** Gives how many. $1: sink, $2: now, $3: numbers, $4: their lanes. */
export const replayEvents = `
  with replayed as (
    insert into outbox_deliveries as known (sink, event, lane, state, since)
    select $1, e.number, wanted.lane, 'waiting', $2 from unnest($3::bigint[], $4::text[]) as wanted (number, lane)
      join outbox_events e on e.number = wanted.number order by e.number
    on conflict (sink, event) do update set ${again} where known.state <> 'waiting' returning sink, lane, since),
  lanes as (${openLanes('replayed')})
  select count(*) as deliveries, pg_notify('${outboxChannel}', '') from replayed`;

const oldest = `
  select event from outbox_deliveries where sink = $1 and state = $4 and since < $2 order by since, event limit $3`;
const dying = (reason: string) => `
  with over as (
    update outbox_deliveries set state = 'dead', since = $5, reason = coalesce('${reason}: ' || reason, '${reason}')
    where sink = $1 and state = $4 and event in (${oldest}) returning sink, lane),
  lanes as (${closeLanes('over', '$5::bigint')} returning 1)
  select count(*) as deliveries from over`;

/** What tidies gives how many. $1: sink, $2: since before, $3: limit, $4: state, and $5: now, where deliveries die. */
export const tidying = {
  late: dying(waitedTooLong),
  excess: dying(tooManyWaited),
  dead: `with over as (delete from outbox_deliveries where sink = $1 and state = $4 and event in (${oldest}) returning 1)
    select count(*) as deliveries from over`,
  /** $1: the earliest time that is kept, $2: how many events are kept, $3: limit. */
  events: `with over as (
      delete from outbox_events where number in (
        select number from outbox_events e
        where (at < $1 or number <= (select max(number) from outbox_events) - $2)
          and not exists (select from outbox_deliveries where event = e.number)
        order by number limit $3)
      returning 1)
    select count(*) as deliveries from over`,
  /** $1: limit. */
  lanes: `with over as (
      delete from outbox_lanes where waiting = 0 and (sink, lane) in (
        select sink, lane from outbox_lanes where waiting = 0 limit $1)
      returning 1)
    select count(*) as deliveries from over`,
} as const;
