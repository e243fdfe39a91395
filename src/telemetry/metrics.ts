/**
 * Every metric of the program, by name. Who has something to count calls a verb here; who has a state to show passes a
 * function that reads it when somebody scrapes. Labels come from closed sets or from the configuration, never from what a
 * client sent, so their number is bounded.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

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
  evicted(bytes: number): void;
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
  readonly seconds: number;
}

export interface WatchedStates {
  readonly transfersInFlight?: () => number;
  readonly cacheBytes?: () => number;
  /** 0 for no bound. */
  readonly cacheLimitBytes?: () => number;
  /** Host and whether its breaker is open. */
  readonly breakers?: () => Iterable<{ readonly host: string; readonly isOpen: boolean }>;
  readonly rateLimits?: () => Iterable<{
    readonly host: string;
    /** Seconds until a host that said 429 is asked again. */
    readonly cooling: number;
    /** Requests that are left, as its headers last told. */
    readonly remaining: number | undefined;
  }>;
}

const maxHosts = 500;

export function createMetrics(options: { readonly processMetrics?: boolean } = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (options.processMetrics) collectDefaultMetrics({ register: registry });

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
    help: 'Body bytes received, by host',
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
  const evictedBytes = new Counter({
    name: 'entrepot_cache_evicted_bytes_total',
    help: 'Bytes removed to keep within cache.max_size',
    registers,
  });

  const show = (name: string, help: string, read: (() => number) | undefined) => {
    if (!read) return;
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };

  const showByHost = (name: string, help: string, read: () => [string, number | undefined][]) => {
    new Gauge({
      name,
      help,
      labelNames: ['host'],
      registers,
      collect() {
        this.reset();
        for (const [host, value] of read()) if (value !== undefined) this.set({ host }, value);
      },
    });
  };

  /** Wildcards and `unlisted = "direct"` let clients name hosts without end: the number of labels has one. */
  const hosts = new Set<string>();
  const hostLabel = (host: string): string => {
    if (hosts.size < maxHosts) hosts.add(host);
    return hosts.has(host) ? host : 'others';
  };

  return {
    contentType: registry.contentType,
    answered(seen) {
      const { kind } = seen;
      requests.inc({ kind, cache: seen.cache ?? 'none', status: seen.status });
      if (seen.bytes > 0) sentBytes.inc({ kind }, seen.bytes);
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
    evicted: (bytes) => evictedBytes.inc(bytes),
    watch(states) {
      show('entrepot_transfers_in_flight', 'Cold blobs on their way in', states.transfersInFlight);
      show('entrepot_cache_bytes', 'Bytes of content in the cache', states.cacheBytes);
      show('entrepot_cache_limit_bytes', 'cache.max_size, 0 for none', states.cacheLimitBytes);
      const { breakers, rateLimits } = states;
      if (breakers) {
        showByHost(
          'entrepot_upstream_breaker_open',
          '1 while the host is skipped after failures in a row',
          () => [...breakers()].map(({ host, isOpen }) => [host, isOpen ? 1 : 0]),
        );
      }
      if (rateLimits) {
        showByHost(
          'entrepot_upstream_cooling_seconds',
          'Until a host that limited our requests (429) is asked again, 0 where it is asked now',
          () => [...rateLimits()].map(({ host, cooling }) => [host, cooling]),
        );
        showByHost(
          'entrepot_upstream_requests_remaining',
          'What ratelimit-remaining of the host said last, of the account with the least',
          () => [...rateLimits()].map(({ host, remaining }) => [host, remaining]),
        );
      }
    },
    render: () => registry.metrics(),
  };
}
