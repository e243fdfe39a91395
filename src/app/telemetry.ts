/** What the server tells of itself besides its log: metrics, the audit log, and spans. */
import type { ServerConfig } from '../config/config.ts';
import type { Clock } from '../lib/clock.ts';
import type { Releases } from '../lib/flow/releases.ts';
import { type AuditLog, createAuditLog } from '../telemetry/audit/audit-log.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import { openTracer } from '../telemetry/tracing/open-tracer.ts';
import type { Tracer } from '../telemetry/tracing/tracer.ts';
import type { AppDeps } from './app-deps.ts';

export interface Telemetry {
  readonly audit: AuditLog;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
}

/** Nothing is recorded before the settings of the audit log are put in force. Throws as `openTracer`. */
export async function createTelemetry(
  settings: Pick<ServerConfig, 'tracing'>,
  { log, version, droppedLogLines }: AppDeps,
  { clock, releases }: { readonly clock: Clock; readonly releases: Releases },
): Promise<Telemetry> {
  const audit = releases.add(createAuditLog({ clock, log }), ({ close }) => close());
  const metrics = createMetrics({
    processMetrics: true,
    version,
    droppedLogLines,
    droppedAuditLines: () => audit.dropped,
    onUnreadable: (err) =>
      log.error({ event: 'metrics.stateUnreadable', err }, 'a state could not be read for the metrics'),
  });
  const tracer = releases.add(await openTracer(settings.tracing, { version, log }), ({ close }) => close());
  return { audit, metrics, tracer };
}
