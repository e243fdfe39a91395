/** The tracer of `[tracing]`; OpenTelemetry is loaded only where it is configured. */
import { readFileSync } from 'node:fs';
import { EntrepotError } from '../../errors.ts';
import { reasonOf } from '../../lib/thrown.ts';
import type { Log } from '../log.ts';
import { noTracer, type Tracer } from './tracer.ts';
import type { TracingSettings } from './tracing-settings.ts';

/** Throws EntrepotError CONFIG_UNREADABLE or CONFIG_INVALID for the file with headers. */
export async function openTracer(
  settings: TracingSettings | undefined,
  deps: { readonly version: string | undefined; readonly log: Pick<Log, 'warn'> },
): Promise<Tracer> {
  if (!settings) return noTracer;
  const headers = settings.headersFile === undefined ? {} : readTracingHeaders(settings.headersFile);
  const { createOpenTelemetry } = await import('./open-telemetry.ts');
  return createOpenTelemetry(settings, { ...deps, headers });
}

/** A line `Name: value` each; empty lines and lines with `#` are left out. Throws EntrepotError CONFIG_UNREADABLE or CONFIG_INVALID. */
export function readTracingHeaders(file: string): Readonly<Record<string, string>> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new EntrepotError('CONFIG_UNREADABLE', `cannot be read: ${reasonOf(error)}`, {
      file,
      cause: error,
    });
  }
  const headers: Record<string, string> = {};
  for (const [at, line] of text.split('\n').entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [, name, value] = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+):\s*([\t\x20-\x7e]*?)\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      // The line itself may be a secret.
      throw new EntrepotError('CONFIG_INVALID', 'is no header: write "Name: value"', { file, line: at + 1 });
    }
    headers[name] = value;
  }
  return headers;
}
