/** Counts of the metrics and states of the parts, as one picture of the server. */
import type { FactsState } from '../../telemetry/states.ts';
import type { Totals } from '../../telemetry/totals.ts';
import type { Counts } from './series.ts';
import type { FactsNow, Overview, RequestTotals } from './status.ts';
import type { StatusStates } from './status-states.ts';

interface About {
  readonly version: string | undefined;
  readonly since: string;
  readonly problem: string | undefined;
  /** Under way. */
  readonly transfers: number;
}

/** Answers that needed no body from an upstream. */
const hits: ReadonlySet<string> = new Set(['hit', 'joined', 'revalidated', 'stale']);
const reads: ReadonlySet<string> = new Set(['manifest', 'blob', 'tags', 'referrers']);
const answered: ReadonlySet<string> = new Set(['200', '206', '304']);

/** Reads the states that take an index or a database. */
export async function overviewOf(about: About, states: StatusStates, totals: Totals): Promise<Overview> {
  const { version, since, problem, transfers } = about;
  const { cache, disk, uploads, cluster, facts } = states;
  // At once: a database that is frozen is waited for once.
  const [{ counts: jobs }, { counts: replicas }, events, placements] = await Promise.all([
    states.jobs(),
    states.replicas(),
    states.eventSinks(),
    states.placements(),
  ]);
  const { bytesToClients, bytesFromUpstreams } = countsOf(totals);
  const { maxSize, ...stored } = cache();
  const { free, size, minFree } = disk();
  const shared = facts?.();
  return {
    version: version ?? null,
    since,
    problem: problem ?? null,
    isOffline: states.isOffline(),
    pulls: sum(totals.answers, ({ kind, status }) => kind === 'manifest' && status === '200'),
    requests: requestTotals(totals),
    traffic: {
      toClients: bytesToClients,
      fromUpstreams: bytesFromUpstreams,
      saved: Math.max(0, bytesToClients - bytesFromUpstreams),
    },
    transfers,
    cache: { ...stored, maxSize: maxSize ?? null },
    disk: { free, size, minFree },
    uploads: uploads(),
    jobs,
    replicas,
    events,
    cluster: cluster?.() ?? null,
    facts: shared ? factsNow(shared) : null,
    placements,
  };
}

/** Counts since the start. */
export function countsOf(totals: Totals): Counts {
  const { total, errors, hits: hit } = requestTotals(totals);
  return {
    requests: total,
    hits: hit,
    errors,
    bytesToClients: totals.sentBytes,
    bytesFromUpstreams: sum(totals.received, () => true),
  };
}

function requestTotals({ answers, incomplete }: Totals): RequestTotals {
  const isAnswered = ({ kind, status }: (typeof answers)[number]) => reads.has(kind) && answered.has(status);
  const all = sum(answers, isAnswered);
  const hit = sum(answers, (one) => isAnswered(one) && hits.has(one.cache));
  const failed = sum(answers, ({ status }) => status >= '500');
  return {
    total: sum(answers, () => true),
    answered: all,
    hits: hit,
    hitRatio: all === 0 ? null : hit / all,
    errors: failed + sum(incomplete, ({ end }) => end === 'failed'),
  };
}

function factsNow({ isConnected, lastContact, waiting, behind }: FactsState): FactsNow {
  const last = lastContact === undefined ? null : new Date(lastContact).toISOString();
  return { isConnected, lastContact: last, waiting, behind: behind ?? null };
}

function sum<One extends { readonly count: number }>(
  all: readonly One[],
  which: (one: One) => boolean,
): number {
  return all.reduce((count, one) => (which(one) ? count + one.count : count), 0);
}
