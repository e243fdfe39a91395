/**
 * The metrics that show a state: gauges. Each state is read once per scrape, for all gauges of it. If it cannot be read (an index on a
 * failing disk), its gauges have no samples; the other metrics are not affected.
 */
import { Gauge, type Registry } from 'prom-client';
import type {
  CacheState,
  ClusterState,
  EventSinkState,
  FactsState,
  JobsState,
  PlacementsState,
  PolicyKindState,
  ReplicasState,
  WatchedStates,
} from './states.ts';

/** Values of the labels, in their order, and the number; undefined if it is not known. */
type Sample = readonly [labels: readonly string[], value: number | undefined];

interface Shown<State> {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly samples: (state: State) => readonly Sample[];
}

export interface States {
  /** Called once, when every part is made. A state that is not given has no metrics. */
  watch(states: WatchedStates): void;
  /** Reads all states, for a scrape. Never rejects. */
  refresh(): Promise<void>;
}

/** Gauges in `registry`. `onUnreadable` is called for each state that cannot be read. */
export function createStates(deps: {
  readonly registry: Registry;
  readonly onUnreadable: (error: unknown) => void;
}): States {
  const refreshes: (() => Promise<void>)[] = [];

  function show<State>(
    read: (() => State | Promise<State>) | undefined,
    shown: readonly Shown<State>[],
  ): void {
    if (!read) return;
    const gauges = shown.map(({ name, help, labels, samples }) => {
      const gauge = new Gauge({ name, help, labelNames: labels, registers: [deps.registry] });
      const clear = labels.length === 0 ? () => gauge.remove() : () => gauge.reset();
      const fill = (state: State) => {
        for (const [values, value] of samples(state)) {
          if (value === undefined) continue;
          gauge.set(Object.fromEntries(labels.map((label, at) => [label, values[at] ?? ''])), value);
        }
      };
      return { clear, fill };
    });
    refreshes.push(async () => {
      // Cleared and filled in one turn: two scrapes may overlap.
      try {
        const state = await read();
        for (const { clear, fill } of gauges) {
          clear();
          fill(state);
        }
      } catch (error) {
        for (const { clear } of gauges) clear();
        deps.onUnreadable(error);
      }
    });
  }

  return {
    watch({
      transfersInFlight,
      isOffline,
      cache,
      uploads,
      disk,
      hosts,
      jobs,
      eventSinks,
      replicas,
      cluster,
      facts,
      placements,
      policies,
    }) {
      show(policies, policyGauges);
      show(placements, placementGauges);
      show(cluster, clusterGauges);
      show(facts, factGauges);
      show(eventSinks, eventGauges);
      show(transfersInFlight, [
        one('entrepot_transfers_in_flight', 'Cold blobs on their way in', (count) => count),
      ]);
      show(isOffline, [
        one('entrepot_upstream_offline', '1 if upstream.offline is set: no host is asked', Number),
      ]);
      show(uploads, uploadGauges);
      show(replicas, replicaGauges);
      show(cache, cacheGauges);
      show(disk, [
        one('entrepot_disk_free_bytes', 'Free on the file system of the data folder', ({ free }) => free),
        one('entrepot_disk_size_bytes', 'Size of the file system of the data folder', ({ size }) => size),
        one('entrepot_disk_min_free_bytes', 'cache.min_free', ({ minFree }) => minFree),
      ]);
      show(hosts, [
        by(
          'host',
          'entrepot_upstream_breaker_open',
          '1 while the host is skipped after failures in a row',
          (all) => all.map(({ host, isOpen }) => [host, isOpen ? 1 : 0]),
        ),
        by(
          'host',
          'entrepot_upstream_cooling_seconds',
          'Seconds until a host that limited our requests (429) is asked again, 0 if it is asked now',
          (all) => all.map(({ host, cooling }) => [host, cooling]),
        ),
        by(
          'host',
          'entrepot_upstream_requests_limit',
          'What ratelimit-limit of the host said last, of the account with the least left',
          (all) => all.map(({ host, limit }) => [host, limit]),
        ),
        by(
          'host',
          'entrepot_upstream_requests_remaining',
          'What ratelimit-remaining of the host said last, of the account with the least left',
          (all) => all.map(({ host, remaining }) => [host, remaining]),
        ),
      ]);
      show(jobs, jobGauges);
    },
    async refresh() {
      await Promise.all(refreshes.map((refresh) => refresh()));
    },
  };
}

function one<State>(name: string, help: string, value: (state: State) => number | undefined): Shown<State> {
  return { name, help, labels: [], samples: (state) => [[[], value(state)]] };
}

function by<State>(
  label: string,
  name: string,
  help: string,
  samples: (state: State) => readonly (readonly [string, number | undefined])[],
): Shown<State> {
  return {
    name,
    help,
    labels: [label],
    samples: (state) => samples(state).map(([text, value]) => [[text], value]),
  };
}

const hostedGauges: readonly Shown<CacheState>[] = [
  one(
    'entrepot_hosted_bytes',
    'Bytes of entrepot_cache_bytes that were pushed or imported',
    ({ hosted }) => hosted.bytes,
  ),
  one(
    'entrepot_hosted_contents',
    'Blobs and manifests that were pushed or imported',
    ({ hosted }) => hosted.contents,
  ),
];

const eventGauges: readonly Shown<readonly EventSinkState[]>[] = [
  by('sink', 'entrepot_events_out_waiting', 'Events that wait for a sink', (all) =>
    all.map(({ sink, waiting }) => [sink, waiting]),
  ),
  by('sink', 'entrepot_events_out_dead', 'Events that were given up, and can be replayed', (all) =>
    all.map(({ sink, dead }) => [sink, dead]),
  ),
  by(
    'sink',
    'entrepot_events_out_oldest_seconds',
    'How long the oldest event has waited for a sink, 0 if none waits',
    (all) => all.map(({ sink, oldest }) => [sink, oldest]),
  ),
  by(
    'sink',
    'entrepot_events_out_sink_gone',
    '1 once a sink has answered 410, until the next reload',
    (all) => all.map(({ sink, isGone }) => [sink, isGone ? 1 : 0]),
  ),
];

const ofPlacements = (all: readonly PlacementsState[], value: 'contents' | 'bytes') =>
  all.map((one) => [[one.store, one.state], one[value]] as const);
const placementGauges: readonly Shown<readonly PlacementsState[]>[] = [
  {
    name: 'entrepot_store_contents',
    help: 'Contents of a bucket, by what is known of them there',
    labels: ['store', 'state'],
    samples: (all) => ofPlacements(all, 'contents'),
  },
  {
    name: 'entrepot_store_bytes',
    help: 'Bytes of those contents',
    labels: ['store', 'state'],
    samples: (all) => ofPlacements(all, 'bytes'),
  },
];

const jobGauges: readonly Shown<JobsState>[] = [
  {
    name: 'entrepot_jobs',
    help: 'Durable jobs, by kind and state',
    labels: ['kind', 'state'],
    samples: ({ counts }) => counts.map(({ kind, state, jobs: count }) => [[kind, state], count]),
  },
  one(
    'entrepot_jobs_oldest_failure_timestamp_seconds',
    'When the oldest of the failed jobs failed, 0 if none has',
    ({ oldestFailure = 0 }) => oldestFailure / 1000,
  ),
];

const replicaGauges: readonly Shown<ReplicasState>[] = [
  by('state', 'entrepot_replica_tags', 'Tags that [[sync]] blocks want, by state', ({ counts }) =>
    counts.map(({ state, tags }) => [state, tags]),
  ),
  one(
    'entrepot_replica_oldest_failure_timestamp_seconds',
    'Since when the tag that failed first has not been done, or its registry could not be asked, 0 if none',
    ({ oldestFailure = 0 }) => oldestFailure / 1000,
  ),
];

const uploadGauges: readonly Shown<{ readonly uploads: number; readonly bytes: number }>[] = [
  one('entrepot_uploads', 'Blobs on their way in by pushes', ({ uploads }) => uploads),
  one('entrepot_uploads_bytes', 'Bytes of those that have come', ({ bytes }) => bytes),
];

const clusterGauges: readonly Shown<ClusterState>[] = [
  one('entrepot_cluster_members', 'Replicas of the cluster, this one included', ({ members }) => members),
  one('entrepot_cluster_owned_shards', 'Shards of 256 that this replica owns', ({ shards }) => shards),
];

const policyGauges: readonly Shown<readonly PolicyKindState[]>[] = [
  by('kind', 'entrepot_policies_objects', 'Objects of the cluster that are known', (kinds) =>
    kinds.map(({ kind, objects }) => [kind, objects]),
  ),
  by(
    'kind',
    'entrepot_policies_watched',
    '1 while the API server answers for these objects, also if it has no such kind',
    (kinds) => kinds.map(({ kind, state }) => [kind, state === 'listed' || state === 'absent' ? 1 : 0]),
  ),
];

const factGauges: readonly Shown<FactsState>[] = [
  one('entrepot_facts_connected', '1 while the database of [facts] can be used', ({ isConnected }) =>
    Number(isConnected),
  ),
  one(
    'entrepot_facts_last_contact_timestamp_seconds',
    'When the database of [facts] last answered',
    ({ lastContact }) => lastContact && lastContact / 1000,
  ),
  one('entrepot_facts_waiting', 'Facts that other replicas have not heard of yet', ({ waiting }) => waiting),
  one(
    'entrepot_facts_behind_seconds',
    'Since all that other replicas had told was known here; up to 30 where nothing happens',
    ({ behind }) => behind,
  ),
];

const cacheGauges: readonly Shown<CacheState>[] = [
  ...hostedGauges,
  one('entrepot_cache_bytes', 'Bytes of content in the cache', ({ bytes }) => bytes),
  one(
    'entrepot_cache_limit_bytes',
    'cache.max_size, 0 if only the disk limits the cache',
    ({ maxSize }) => maxSize ?? 0,
  ),
  one(
    'entrepot_cache_reserved_bytes',
    'Reserved for transfers in flight, and taken by partial downloads',
    ({ reserved }) => reserved,
  ),
  one(
    'entrepot_cache_contents',
    'Blobs and manifests in the cache, each counted once',
    ({ contents }) => contents,
  ),
  one('entrepot_cache_manifests', 'Manifests among them', ({ manifests }) => manifests),
  by('match', 'entrepot_cache_quota_bytes', 'Bytes that count for a [[cache.quota]]', ({ quotas }) =>
    quotas.map(({ match, bytes }) => [match, bytes]),
  ),
  by('match', 'entrepot_cache_quota_limit_bytes', 'max_size of a [[cache.quota]]', ({ quotas }) =>
    quotas.map(({ match, maxSize }) => [match, maxSize]),
  ),
];
