/**
 * What the program tells Prometheus. The names of all metrics are in two tables:
 *
 *   event-metrics.ts   counters and histograms: a part that has an event to count calls a verb of `Metrics`
 *   state-metrics.ts   gauges: a part that has a state to show passes a function to `watch`, which is called at each scrape
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { createEventMetrics } from './event-metrics.ts';
import { createStates } from './state-metrics.ts';
import type { WatchedStates } from './states.ts';
import { readTotals, type Totals } from './totals.ts';

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
  /** `relayed`: passed on without being kept, since there was no room; `failed`: what came so far waits for the next request. */
  transferEnded(how: 'stored' | 'relayed' | 'failed'): void;
  /** A fault of a host that showed only after its headers: a body that broke off, or had wrong bytes. */
  faulted(host: string, fault: 'invalid' | 'unreachable'): void;
  /** One content that was evicted, and its bytes. */
  evicted(bytes: number): void;
  /** Something on the disk that was not as it had been written. */
  damageFound(what: 'content' | 'index'): void;
  /** A configuration was put in force, at so many epoch seconds; undefined: one was kept out. */
  configured(at: number | undefined): void;
  /** The certificates of `[tls]`: each file, and the epoch seconds at which it expires. */
  certificates(expiries: readonly { readonly file: string; readonly at: number }[]): void;
  /** A request said that it comes from a peer of the cluster, and did not prove it. */
  peerRefused(): void;
  /** A client's credentials were wrong. */
  loginFailed(scheme: 'basic' | 'bearer' | 'other'): void;
  /** A manifest passed a gate or did not; `failedOpen`, `failedClosed`: the gate could not tell, and its rule decided. */
  gateDecided(gate: string, verdict: GateDecision, count?: number): void;
  /** Events of an `[[events.in]]`; `refused`: one request. */
  eventsReceived(sender: string, result: EventResult, count: number): void;
  /** Stored bytes that were read to check them. */
  scrubbed(bytes: number): void;
  /** A damaged content that was dropped, and what came of it. */
  scrubDamaged(how: 'repaired' | 'lost'): void;
  /** A run of a job of this kind has ended; `stopped`: by a stop of the server, or since it was cancelled. */
  jobEnded(kind: string, outcome: 'done' | 'again' | 'later' | 'failed' | 'stopped', seconds: number): void;
  /** A try to deliver an event to a sink is over, or so many events were given up. */
  eventTried(sink: string, outcome: 'delivered' | 'failed' | 'dead', events?: number): void;
  /** A run of a `[[sync]]` block is over; it has fetched so many bytes, and removed so many tags here. */
  synced(sync: string, state: 'done' | 'partial' | 'failed', bytes: number, removed: number): void;
  /** Bytes that were fetched for a block since an event or a command asked for it. */
  replicated(sync: string, bytes: number): void;
  /** A change of a registry is here as a whole, so many seconds after it happened or was seen. */
  replicaCaughtUp(seconds: number): void;
  /** A try to place a content of so many bytes in a bucket is over; `present`: it was there. */
  placed(store: string, result: 'stored' | 'present' | 'failed', bytes: number): void;
  /** States that are read at each scrape. Called once, when every part is made. */
  watch(states: WatchedStates): void;
  /** What was counted since the start. */
  totals(): Promise<Totals>;
  /** The text that Prometheus scrapes. */
  render(): Promise<string>;
  readonly contentType: string;
}

export const gateDecisions = ['accepted', 'refused', 'failedOpen', 'failedClosed'] as const;
export type GateDecision = (typeof gateDecisions)[number];

export const eventResults = ['accepted', 'duplicate', 'ignored', 'refused'] as const;
export type EventResult = (typeof eventResults)[number];

export interface AnswerSeen {
  readonly kind: 'manifest' | 'blob' | 'tags' | 'referrers' | 'upload' | 'other';
  readonly status: number;
  readonly cache: string | undefined;
  /** Bytes of the body that were sent. */
  readonly bytes: number;
  readonly end: 'complete' | 'clientLeft' | 'clientStalled' | 'failed';
  readonly seconds: number;
}

/** Hosts that have a label of their own; the others share one. */
const maxHosts = 500;

export interface MetricsOptions {
  /** Registers the metrics of Node and of the process too. */
  readonly processMetrics?: boolean;
  /** Version of the program, for `entrepot_build_info`. */
  readonly version?: string | undefined;
  /** Number of lines that the log has lost so far. */
  readonly droppedLogLines?: (() => number) | undefined;
  /** The same of the audit log. */
  readonly droppedAuditLines?: (() => number) | undefined;
  /** Called when a state cannot be read. */
  readonly onUnreadable?: (error: unknown) => void;
}

/** All metrics, in a registry of their own. */
export function createMetrics(options: MetricsOptions = {}): Metrics {
  const registry = new Registry();
  if (options.processMetrics) addProcessMetrics(registry);
  addProgramMetrics(registry, options);
  const states = createStates({ registry, onUnreadable: options.onUnreadable ?? (() => {}) });
  const events = createEventMetrics(registry);

  // Clients can name hosts without end with wildcards and `unlisted = "direct"`.
  const hosts = new Set<string>();
  const hostLabel = (host: string): string => {
    if (hosts.size < maxHosts) hosts.add(host);
    return hosts.has(host) ? host : 'others';
  };

  return {
    contentType: registry.contentType,
    answered({ kind, end, cache = 'none', status, bytes, seconds }) {
      events.requests.inc({ kind, cache, status });
      if (bytes > 0) events.sentBytes.inc({ kind }, bytes);
      if (end !== 'complete') events.incomplete.inc({ kind, end });
      events.durations.observe({ kind }, seconds);
    },
    connectionRefused: () => events.refusedConnections.inc(),
    asked({ host, outcome, seconds }) {
      const label = hostLabel(host);
      events.upstreamRequests.inc({ host: label, outcome });
      events.upstreamDurations.observe({ host: label }, seconds);
    },
    received: (host, bytes) => events.receivedBytes.inc({ host: hostLabel(host) }, bytes),
    transferRead: (how) => events.transferReads.inc({ how }),
    transferEnded: (how) => events.transferEnds.inc({ how }),
    faulted: (host, fault) => events.upstreamFaults.inc({ host: hostLabel(host), fault }),
    evicted(bytes) {
      events.evictions.inc();
      events.evictedBytes.inc(bytes);
    },
    damageFound: (what) => events.damages.inc({ what }),
    peerRefused: () => events.refusedPeers.inc(),
    loginFailed: (scheme) => events.failedLogins.inc({ scheme }),
    gateDecided: (gate, verdict, count = 1) => events.gateVerdicts.inc({ gate, verdict }, count),
    eventsReceived: (sender, result, count) => events.events.inc({ sender, result }, count),
    scrubbed: (bytes) => events.scrubbedBytes.inc(bytes),
    scrubDamaged: (how) => events.scrubDamages.inc({ how }),
    jobEnded: (kind, outcome, seconds) => events.jobDurations.observe({ kind, outcome }, seconds),
    eventTried: (sink, outcome, count = 1) => events.eventDeliveries.inc({ sink, outcome }, count),
    synced(sync, state, bytes, removed) {
      events.syncRuns.inc({ sync, state });
      events.syncedBytes.inc({ sync }, bytes);
      events.removedTags.inc({ sync }, removed);
    },
    replicated: (sync, bytes) => events.syncedBytes.inc({ sync }, bytes),
    placed(store, result, bytes) {
      events.placements.inc({ store, result });
      if (result === 'stored') events.placedBytes.inc({ store }, bytes);
    },
    replicaCaughtUp: (seconds) => events.replicaLags.observe(seconds),
    configured(at) {
      events.configIsGood.set(at === undefined ? 0 : 1);
      if (at !== undefined) events.configTime.set(at);
    },
    certificates(expiries) {
      events.certificateExpiry.reset();
      for (const { file, at } of expiries) events.certificateExpiry.set({ file }, at);
    },
    watch: states.watch,
    totals: () => readTotals(events),
    async render() {
      await states.refresh();
      return await registry.metrics();
    },
  };
}

function addProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  // Sums of other metrics, under names that only counters may have.
  for (const sum of ['handles', 'requests', 'resources']) {
    registry.removeSingleMetric(`nodejs_active_${sum}_total`);
  }
}

function addProgramMetrics(registry: Registry, options: MetricsOptions): void {
  const { version, droppedLogLines = () => 0, droppedAuditLines = () => 0 } = options;
  const registers = [registry];
  if (version !== undefined) {
    const help = '1, with the version as a label';
    new Gauge({ name: 'entrepot_build_info', help, labelNames: ['version'], registers }).set({ version }, 1);
  }
  const lost = (name: string, help: string, lines: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(lines());
      },
    });
  lost('entrepot_log_dropped_lines_total', 'Lines of the log that could not be written', droppedLogLines);
  lost(
    'entrepot_audit_dropped_lines_total',
    'Lines of the audit log that could not be written',
    droppedAuditLines,
  );
}
