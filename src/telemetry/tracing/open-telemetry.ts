/**
 * Spans by OpenTelemetry, sent in batches by OTLP over HTTP. Nothing global is set, so that two servers in one process stay apart. The
 * share of `sample` is decided by the id of the trace alone: a client that asks for its trace to be sampled cannot fill the collector, and
 * servers with the same share keep the same traces.
 */
import { type Context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { ExportResultCode, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { reasonOf } from '../../lib/thrown.ts';
import type { Log } from '../log.ts';
import type { OpenSpan, SpanAttributes, Tracer } from './tracer.ts';
import type { TracingSettings } from './tracing-settings.ts';

export interface OpenTelemetryDeps {
  readonly version: string | undefined;
  /** Of the requests to the collector. */
  readonly headers: Readonly<Record<string, string>>;
  readonly log: Pick<Log, 'warn'>;
}

const kinds = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  consumer: SpanKind.CONSUMER,
};
/** ms in which the collector must take a batch; a stop waits for the last one. */
const sendTimeout = 2000;
/** Spans that wait; further ones are dropped. */
const mostWaiting = 8192;
/** Characters of an attribute. */
const longest = 1000;

const carrier = {
  get: (headers: Readonly<Record<string, unknown>>, name: string) => {
    const value = headers[name];
    return typeof value === 'string' ? value : undefined;
  },
  keys: (headers: Readonly<Record<string, unknown>>) => Object.keys(headers),
  set(headers: Record<string, string>, name: string, value: string) {
    headers[name] = value;
  },
};

/** Contacts the collector when the first spans have ended. */
export function createOpenTelemetry(
  { endpoint, sample, service }: TracingSettings,
  { version, headers, log }: OpenTelemetryDeps,
): Tracer {
  const exporter = new OTLPTraceExporter({
    url: endpoint,
    headers: { ...headers },
    timeoutMillis: sendTimeout,
  });
  const byId = new TraceIdRatioBasedSampler(sample);
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': service,
      ...(version !== undefined && { 'service.version': version }),
    }),
    sampler: new ParentBasedSampler({ root: byId, remoteParentSampled: byId }),
    spanLimits: { attributeValueLengthLimit: longest },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: telling(exporter, log),
        exportTimeoutMillis: sendTimeout,
        maxQueueSize: mostWaiting,
      }),
    ],
  });
  const tracer = provider.getTracer('entrepot', version);
  const contexts = new AsyncLocalStorageContextManager();
  const propagator = new W3CTraceContextPropagator();
  // A span must not see those of the code that made the server.
  const active = (): Context => contexts.active() ?? ROOT_CONTEXT;

  return {
    span(name, { kind = 'internal', attributes = {} }, work) {
      const span = tracer.startSpan(name, { kind: kinds[kind], attributes: present(attributes) }, active());
      return contexts.with(trace.setSpan(active(), span), () => settle(span, work));
    },
    under: (incoming, work) => contexts.with(propagator.extract(ROOT_CONTEXT, incoming, carrier), work),
    outgoing() {
      const found: Record<string, string> = {};
      propagator.inject(active(), found, carrier);
      return found;
    },
    async close() {
      // What the collector does not take at the end was told by the exporter.
      await provider.shutdown().catch(() => undefined);
    },
  };
}

async function settle<T>(span: Span, work: (span: OpenSpan) => Promise<T>): Promise<T> {
  const fail = (reason: string) => {
    span.setStatus({ code: SpanStatusCode.ERROR, message: reason.slice(0, longest) });
  };
  try {
    return await work({
      rename: (name) => void span.updateName(name),
      set: (attributes) => void span.setAttributes(present(attributes)),
      fail,
    });
  } catch (error) {
    fail(reasonOf(error));
    throw error;
  } finally {
    span.end();
  }
}

function present(attributes: SpanAttributes): Record<string, string | number | boolean> {
  return Object.fromEntries(
    Object.entries(attributes).filter(
      (one): one is [string, string | number | boolean] => one[1] !== undefined,
    ),
  );
}

/** The same exporter; the log hears when the collector stops taking spans, and when it takes them again. */
function telling(exporter: SpanExporter, log: Pick<Log, 'warn'>): SpanExporter {
  let isFailing = false;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const isFailure = result.code === ExportResultCode.FAILED;
        if (isFailure && !isFailing) {
          log.warn(
            { event: 'tracing.notSent', reason: reasonOf(result.error ?? 'no reason'), spans: spans.length },
            'the collector of [tracing] does not take spans: they are lost until it does',
          );
        }
        isFailing = isFailure;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    ...(exporter.forceFlush && { forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve() }),
  };
}
