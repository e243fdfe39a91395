/** `[audit]` and `[tracing]` of entrepot.toml. docs/audit.md and docs/tracing.md explain them. */
import { auditActions } from '../telemetry/audit/audit.ts';
import type { AuditSettings } from '../telemetry/audit/audit-settings.ts';
import type { TracingSettings } from '../telemetry/tracing/tracing-settings.ts';
import type { StrictTable } from './toml/strict-table.ts';
import * as kind from './toml/value-kinds.ts';

/** `path`: the kind of a path that is relative to the working folder. */
export function readAudit(audit: StrictTable, path: kind.ValueKind<string>): AuditSettings {
  return {
    file: audit.value('file', path, undefined, { variable: 'ENTREPOT_AUDIT_FILE' }),
    actions: audit.list('actions', kind.oneOf(...auditActions), auditActions),
    blobs: audit.value('blobs', kind.flag, false),
  };
}

/** Undefined where no endpoint is named. */
export function readTracing(tracing: StrictTable, path: kind.ValueKind<string>): TracingSettings | undefined {
  const endpoint = tracing.value('endpoint', kind.webUrl, undefined, {
    variable: 'ENTREPOT_TRACING_ENDPOINT',
  });
  const rest = {
    sample: tracing.value('sample', kind.share, 1),
    service: tracing.value('service', kind.text, 'entrepot'),
    headersFile: tracing.value('headers_file', path),
  };
  return endpoint === undefined ? undefined : { endpoint, ...rest };
}
