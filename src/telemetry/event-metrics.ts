/**
 * The metrics that record events, one row each: name, help, labels. `metrics.ts` counts in them; the metrics that show a state are
 * in `state-metrics.ts`. Labels come from closed sets or from the configuration, never from what a client sent, so their number is
 * bounded.
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

interface Row<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly Label[];
  /** Samples that are there with 0 from the start: an alert sees an increase only from a sample that it has seen before. */
  readonly zeros: readonly Readonly<Record<Label, string>>[];
  /** Upper bounds of a histogram, in seconds. */
  readonly buckets: readonly number[];
}

function row<const Label extends string = never>(
  name: string,
  help: string,
  { labels = [], zeros = [], buckets = [] }: Partial<Omit<Row<Label>, 'name' | 'help'>> = {},
): Row<Label> {
  return { name, help, labels, zeros, buckets };
}

const counters = {
  requests: row(
    'entrepot_requests_total',
    'Answers to clients, by kind of content, cache result and status',
    { labels: ['kind', 'cache', 'status'] },
  ),
  sentBytes: row('entrepot_sent_bytes_total', 'Body bytes sent to clients', { labels: ['kind'] }),
  incomplete: row(
    'entrepot_incomplete_answers_total',
    'Answers that ended before their last byte, whatever their status, by kind of content and what ended them',
    {
      labels: ['kind', 'end'],
      zeros: ['clientLeft', 'clientStalled', 'failed'].map((end) => ({ kind: 'blob', end })),
    },
  ),
  refusedConnections: row(
    'entrepot_connections_refused_total',
    'Client connections closed because limits.max_connections was reached',
  ),
  upstreamRequests: row('entrepot_upstream_requests_total', 'Endpoints asked, by host and outcome', {
    labels: ['host', 'outcome'],
  }),
  receivedBytes: row('entrepot_upstream_received_bytes_total', 'Body bytes of blobs received, by host', {
    labels: ['host'],
  }),
  gateVerdicts: row(
    'entrepot_gate_verdicts_total',
    'Manifests that were held against a [[gate]], by what it said; failedOpen and failedClosed: it could not tell',
    { labels: ['gate', 'verdict'] },
  ),
  transferReads: row(
    'entrepot_transfer_reads_total',
    'Readers of cold blobs, by whether they started the transfer or joined it',
    { labels: ['how'], zeros: [{ how: 'started' }, { how: 'joined' }] },
  ),
  transferEnds: row('entrepot_transfers_total', 'Transfers that are over, by how they ended', {
    labels: ['how'],
    zeros: [{ how: 'stored' }, { how: 'relayed' }, { how: 'failed' }],
  }),
  upstreamFaults: row(
    'entrepot_upstream_faults_total',
    'Bodies that broke off (unreachable) or had wrong bytes (invalid) after good headers, by host',
    { labels: ['host', 'fault'] },
  ),
  evictions: row('entrepot_cache_evictions_total', 'Blobs and manifests removed to make room'),
  evictedBytes: row('entrepot_cache_evicted_bytes_total', 'Bytes removed to make room'),
  damages: row(
    'entrepot_cache_damage_total',
    'Stored contents and indexes that were found missing or altered, and were dropped or set aside',
    { labels: ['what'], zeros: [{ what: 'content' }, { what: 'index' }] },
  ),
  scrubbedBytes: row('entrepot_scrub_read_bytes_total', 'Stored bytes read by scrubs'),
  refusedPeers: row(
    'entrepot_cluster_refused_total',
    'Requests that said that they come from a peer, and did not prove it',
  ),
  failedLogins: row('entrepot_failed_logins_total', 'Requests with wrong credentials, by their scheme', {
    labels: ['scheme'],
    zeros: [{ scheme: 'basic' }, { scheme: 'bearer' }, { scheme: 'other' }],
  }),
  events: row(
    'entrepot_events_total',
    'Events that senders told, by sender and what became of them; refused: requests',
    {
      labels: ['sender', 'result'],
    },
  ),
  eventDeliveries: row(
    'entrepot_events_out_total',
    'Tries to deliver events, by sink and outcome; dead: given up',
    { labels: ['sink', 'outcome'] },
  ),
  syncRuns: row('entrepot_sync_runs_total', 'Runs of [[sync]] blocks that are over, by block and state', {
    labels: ['sync', 'state'],
  }),
  syncedBytes: row('entrepot_sync_fetched_bytes_total', 'Bytes that were fetched for [[sync]] blocks', {
    labels: ['sync'],
  }),
  removedTags: row(
    'entrepot_sync_removed_tags_total',
    'Tags that runs of [[sync]] blocks have removed here',
    {
      labels: ['sync'],
    },
  ),
  placements: row('entrepot_placements_total', 'Tries to place a content in a bucket, by what came of them', {
    labels: ['store', 'result'],
  }),
  placedBytes: row('entrepot_placed_bytes_total', 'Bytes of contents that were uploaded to a bucket', {
    labels: ['store'],
  }),
  scrubDamages: row(
    'entrepot_scrub_damaged_total',
    'Damaged contents that scrubs dropped, by what came of them',
    { labels: ['how'], zeros: [{ how: 'repaired' }, { how: 'lost' }] },
  ),
};

const histograms = {
  replicaLags: row(
    'entrepot_replica_lag_seconds',
    'From the change of a tag at its registry, as an event told it or a run saw it, to all of it being here',
    { buckets: [0.5, 1, 2, 5, 15, 60, 300, 1800, 7200, 86_400] },
  ),
  durations: row('entrepot_request_duration_seconds', 'From the request line to the end of the answer', {
    labels: ['kind'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 1, 2.5, 10, 30, 120, 600],
  }),
  upstreamDurations: row('entrepot_upstream_headers_seconds', 'From asking an endpoint to its headers', {
    labels: ['host'],
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15],
  }),
  jobDurations: row('entrepot_job_seconds', 'One run of a job', {
    labels: ['kind', 'outcome'],
    buckets: [0.1, 1, 5, 15, 60, 300, 1800, 7200],
  }),
};

const gauges = {
  configIsGood: row(
    'entrepot_config_last_reload_successful',
    '0 while the configuration that was read last is kept out, since it cannot be used',
  ),
  configTime: row(
    'entrepot_config_last_reload_success_timestamp_seconds',
    'When the configuration was put in force',
  ),
  certificateExpiry: row(
    'entrepot_certificate_expiry_timestamp_seconds',
    'When the first certificate in a file of [tls] expires',
    { labels: ['file'] },
  ),
};

type LabelOf<T> = T extends Row<infer Label> ? Label : never;

/** A Counter, Histogram or Gauge for each row of the tables, registered with `registry`. */
export function createEventMetrics(registry: Registry): {
  readonly [K in keyof typeof counters]: Counter<LabelOf<(typeof counters)[K]>>;
} & {
  readonly [K in keyof typeof histograms]: Histogram<LabelOf<(typeof histograms)[K]>>;
} & {
  readonly [K in keyof typeof gauges]: Gauge<LabelOf<(typeof gauges)[K]>>;
} {
  const configured = ({ name, help, labels }: Row<string>) => ({
    name,
    help,
    labelNames: labels,
    registers: [registry],
  });
  return {
    ...made(counters, (one) => {
      const counter = new Counter(configured(one));
      for (const labels of one.zeros) counter.inc(labels, 0);
      return counter;
    }),
    ...made(histograms, (one) => new Histogram({ ...configured(one), buckets: [...one.buckets] })),
    ...made(gauges, (one) => new Gauge(configured(one))),
  };
}

function made<Key extends string, Metric>(
  table: Readonly<Record<Key, Row<string>>>,
  make: (one: Row<string>) => Metric,
): Record<Key, Metric> {
  const entries = Object.entries<Row<string>>(table).map(([key, one]) => [key, make(one)]);
  return Object.fromEntries(entries) as Record<Key, Metric>;
}
