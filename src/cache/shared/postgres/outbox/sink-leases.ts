/**
 * Which replica sends to a sink. It holds a lease by the clock of the server, and renews it as long as it lives, whether or not it has
 * something to send: what it knows of the sink (pauses, a 410) is true for all replicas.
 */
import type { Clock } from '../../../../lib/clock.ts';
import { pause } from '../../../../lib/flow/pause.ts';
import type { Postgres } from '../connection.ts';
import { outboxChannel } from './outbox-channel.ts';

export interface SinkLeases {
  /** Whether this replica sends to the sink from here on. Rejects as `query` does. */
  hold(sink: string): Promise<boolean>;
  /** Another replica may send at once. Rejects as `query` does. */
  leave(sink: string): Promise<void>;
  /** Renews no more. A server that is frozen is not waited for. */
  stop(): void;
}

/** ms. What was renewed is trusted for less than it lasts: clocks run at different rates, and a process may be frozen. */
const lease = 45_000;
const renewEvery = 15_000;
const trusted = 30_000;

const expires = `clock_timestamp() + interval '${lease} milliseconds'`;
const hold = `
  insert into outbox_senders as known (sink, owner, expires) values ($1, $2, ${expires})
  on conflict (sink) do update set owner = excluded.owner, expires = excluded.expires
  where known.owner = excluded.owner or known.expires < clock_timestamp() returning sink`;
const renew = `update outbox_senders set expires = ${expires} where owner = $1 and sink = any($2) returning sink`;
const leave = `
  with gone as (delete from outbox_senders where sink = $1 and owner = $2 returning sink)
  select pg_notify('${outboxChannel}', '') from gone`;

/** `owner`: of this process alone. */
export function createSinkLeases(
  { query }: Pick<Postgres, 'query'>,
  clock: Clock,
  owner: string,
): SinkLeases {
  /** By sink, when it was renewed. */
  const held = new Map<string, number>();
  const stopping = new AbortController();
  const { signal } = stopping;
  let isRenewing = false;

  async function keepRenewing(): Promise<void> {
    while (!signal.aborted) {
      await pause(clock, renewEvery, signal);
      if (signal.aborted || held.size === 0) continue;
      const at = clock.monotonic();
      const sinks = [...held.keys()];
      // One that cannot be renewed ends by itself: `hold` asks again.
      const rows = await query<{ sink: string }>(renew, [owner, sinks]).catch(() => undefined);
      if (!rows) continue;
      const renewed = new Set(rows.map(({ sink }) => sink));
      for (const sink of sinks) {
        if (!renewed.has(sink)) held.delete(sink);
        else if (held.has(sink)) held.set(sink, at);
      }
    }
  }

  return {
    async hold(sink) {
      const at = clock.monotonic();
      const renewed = held.get(sink);
      if (renewed !== undefined && at - renewed < trusted) return true;
      const isMine = (await query(hold, [sink, owner])).length > 0;
      if (!isMine) held.delete(sink);
      else if (!signal.aborted) {
        held.set(sink, at);
        if (!isRenewing) void keepRenewing();
        isRenewing = true;
      }
      return isMine;
    },
    async leave(sink) {
      held.delete(sink);
      await query(leave, [sink, owner]);
    },
    stop: () => stopping.abort(),
  };
}
