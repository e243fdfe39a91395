/**
 * Every metric of the program, by name: what is counted here, what is shown in `states.ts`. Who has something to count calls a
 * verb here; who has a state to show passes a function that reads it when somebody scrapes. Labels come from closed sets or
 * from the configuration, never from what a client sent, so their number is bounded.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { createStates, type WatchedStates } from './states.ts';

export interface Metrics {
  /** One answer to a client. */
  answered(seen: AnswerSeen): void;
  /** A client connection that was refused because there were too many. */
  connectionRefused(): void;
  /** One endpoint asked. */
  asked(seen: { readonly host: string; readonly outcome: string; readonly seconds: number }): void;
  /** Body bytes that came from an upstream host. */
  received(host: string, bytes: number): void;
  /** A reader of a cold blob: the first one started its transfer, the others joined it. */
  transferRead(how: 'started' | 'joined'): void;
  transferEnded(how: 'stored' | 'relayed' | 'failed'): void;
  /** A fault of a host that showed only after its headers: a body that broke off, or had wrong bytes. */
  faulted(host: string, fault: 'invalid' | 'unreachable'): void;
  /** One content that had to make room. */
  evicted(bytes: number): void;
  /** Something on the disk that was not as it had been written. */
  damageFound(what: 'content' | 'index'): void;
  /** A configuration was put in force, at so many epoch seconds; undefined: one was kept out. */
  configured(at: number | undefined): void;
  /** The certificates of `[tls]`: each file, and the epoch seconds at which it expires. */
  certificates(expiries: readonly { readonly file: string; readonly at: number }[]): void;
  /** Stored bytes that were read to check them. */
  scrubbed(bytes: number): void;
  /** A damaged content that was dropped, and what came of it. */
  scrubDamaged(how: 'repaired' | 'lost'): void;
  /** States that are read at each scrape. Called once, when everything stands. */
  watch(states: WatchedStates): void;
  /** The text that Prometheus scrapes. */
  render(): Promise<string>;
  readonly contentType: string;
}

export interface AnswerSeen {
  readonly kind: 'manifest' | 'blob' | 'tags' | 'referrers' | 'other';
  readonly status: number;
  readonly cache: string | undefined;
  /** Of the body. */
  readonly bytes: number;
  readonly end: 'complete' | 'clientLeft' | 'clientStalled' | 'failed';
  readonly seconds: number;
}

const maxHosts = 500;

export interface MetricsOptions {
  /** Those of Node and of the process, too. */
  readonly processMetrics?: boolean;
  /** Of the program. */
  readonly version?: string | undefined;
  /** Lines that the log has lost so far. */
  readonly droppedLogLines?: (() => number) | undefined;
  /** Told when a state cannot be read. */
  readonly onUnreadable?: (error: unknown) => void;
}

export function createMetrics(options: MetricsOptions = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (options.processMetrics) {
    collectDefaultMetrics({ register: registry });
    // Sums of others, under names that only counters may have.
    for (const sum of ['handles', 'requests', 'resources']) {
      registry.removeSingleMetric(`nodejs_active_${sum}_total`);
    }
  }
  if (options.version !== undefined) {
    const buildInfo = new Gauge({
      name: 'entrepot_build_info',
      help: '1, with the version as a label',
      labelNames: ['version'],
      registers,
    });
    buildInfo.set({ version: options.version }, 1);
  }
  const states = createStates({ registry, onUnreadable: options.onUnreadable ?? (() => {}) });

  const requests = new Counter({
    name: 'entrepot_requests_total',
    help: 'Answers to clients, by kind of content, cache result and status',
    labelNames: ['kind', 'cache', 'status'],
    registers,
  });
  const sentBytes = new Counter({
    name: 'entrepot_sent_bytes_total',
    help: 'Body bytes sent to clients',
    labelNames: ['kind'],
    registers,
  });
  const incomplete = new Counter({
    name: 'entrepot_incomplete_answers_total',
    help: 'Answers that ended before their last byte, whatever their status, by kind of content and who ended them',
    labelNames: ['kind', 'end'],
    registers,
  });
  const durations = new Histogram({
    name: 'entrepot_request_duration_seconds',
    help: 'From the request line to the end of the answer',
    labelNames: ['kind'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 1, 2.5, 10, 30, 120, 600],
    registers,
  });
  const refusedConnections = new Counter({
    name: 'entrepot_connections_refused_total',
    help: 'Client connections closed because limits.max_connections was reached',
    registers,
  });
  const upstreamRequests = new Counter({
    name: 'entrepot_upstream_requests_total',
    help: 'Endpoints asked, by host and outcome',
    labelNames: ['host', 'outcome'],
    registers,
  });
  const upstreamDurations = new Histogram({
    name: 'entrepot_upstream_headers_seconds',
    help: 'From asking an endpoint to its headers',
    labelNames: ['host'],
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15],
    registers,
  });
  const receivedBytes = new Counter({
    name: 'entrepot_upstream_received_bytes_total',
    help: 'Body bytes of blobs received, by host',
    labelNames: ['host'],
    registers,
  });
  const transferReads = new Counter({
    name: 'entrepot_transfer_reads_total',
    help: 'Readers of cold blobs, by whether they started the transfer or joined it',
    labelNames: ['how'],
    registers,
  });
  const transferEnds = new Counter({
    name: 'entrepot_transfers_total',
    help: 'Transfers that are over, by how they ended',
    labelNames: ['how'],
    registers,
  });
  const upstreamFaults = new Counter({
    name: 'entrepot_upstream_faults_total',
    help: 'Bodies that broke off (unreachable) or had wrong bytes (invalid) after good headers, by host',
    labelNames: ['host', 'fault'],
    registers,
  });
  const evictions = new Counter({
    name: 'entrepot_cache_evictions_total',
    help: 'Blobs and manifests removed to make room',
    registers,
  });
  const evictedBytes = new Counter({
    name: 'entrepot_cache_evicted_bytes_total',
    help: 'Bytes removed to make room',
    registers,
  });
  const damages = new Counter({
    name: 'entrepot_cache_damage_total',
    help: 'Stored contents and indexes that were found missing or altered, and were dropped or set aside',
    labelNames: ['what'],
    registers,
  });
  const scrubbedBytes = new Counter({
    name: 'entrepot_scrub_read_bytes_total',
    help: 'Stored bytes read by scrubs',
    registers,
  });
  const scrubDamages = new Counter({
    name: 'entrepot_scrub_damaged_total',
    help: 'Damaged contents that scrubs dropped, by what came of them',
    labelNames: ['how'],
    registers,
  });
  const configIsGood = new Gauge({
    name: 'entrepot_config_last_reload_successful',
    help: '0 while the configuration that was read last is kept out, since it cannot be used',
    registers,
  });
  const certificateExpiry = new Gauge({
    name: 'entrepot_certificate_expiry_timestamp_seconds',
    help: 'When the first certificate in a file of [tls] expires',
    labelNames: ['file'],
    registers,
  });
  const configTime = new Gauge({
    name: 'entrepot_config_last_reload_success_timestamp_seconds',
    help: 'When the configuration was put in force',
    registers,
  });
  const { droppedLogLines = () => 0 } = options;
  new Counter({
    name: 'entrepot_log_dropped_lines_total',
    help: 'Lines of the log that could not be written',
    registers,
    collect() {
      this.reset();
      this.inc(droppedLogLines());
    },
  });
  // From 0 on, since the first event is the one that an alert is for.
  for (const end of ['clientLeft', 'clientStalled', 'failed']) incomplete.inc({ kind: 'blob', end }, 0);
  for (const how of ['started', 'joined']) transferReads.inc({ how }, 0);
  for (const how of ['stored', 'relayed', 'failed']) transferEnds.inc({ how }, 0);
  for (const what of ['content', 'index']) damages.inc({ what }, 0);
  for (const how of ['repaired', 'lost']) scrubDamages.inc({ how }, 0);

  /** Wildcards and `unlisted = "direct"` let clients name hosts without end: the number of labels has one. */
  const hosts = new Set<string>();
  const hostLabel = (host: string): string => {
    if (hosts.size < maxHosts) hosts.add(host);
    return hosts.has(host) ? host : 'others';
  };

  return {
    contentType: registry.contentType,
    answered(seen) {
      const { kind, end } = seen;
      requests.inc({ kind, cache: seen.cache ?? 'none', status: seen.status });
      if (seen.bytes > 0) sentBytes.inc({ kind }, seen.bytes);
      if (end !== 'complete') incomplete.inc({ kind, end });
      durations.observe({ kind }, seen.seconds);
    },
    connectionRefused: () => refusedConnections.inc(),
    asked(seen) {
      const host = hostLabel(seen.host);
      upstreamRequests.inc({ host, outcome: seen.outcome });
      upstreamDurations.observe({ host }, seen.seconds);
    },
    received: (host, bytes) => receivedBytes.inc({ host: hostLabel(host) }, bytes),
    transferRead: (how) => transferReads.inc({ how }),
    transferEnded: (how) => transferEnds.inc({ how }),
    faulted: (host, fault) => upstreamFaults.inc({ host: hostLabel(host), fault }),
    evicted(bytes) {
      evictions.inc();
      evictedBytes.inc(bytes);
    },
    damageFound: (what) => damages.inc({ what }),
    scrubbed: (bytes) => scrubbedBytes.inc(bytes),
    scrubDamaged: (how) => scrubDamages.inc({ how }),
    configured(at) {
      configIsGood.set(at === undefined ? 0 : 1);
      if (at !== undefined) configTime.set(at);
    },
    certificates(expiries) {
      certificateExpiry.reset();
      for (const { file, at } of expiries) certificateExpiry.set({ file }, at);
    },
    watch: states.watch,
    render() {
      states.refresh();
      return registry.metrics();
    },
  };
}
