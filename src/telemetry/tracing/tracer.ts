/**
 * Spans at the seams: a request of a client, the pull that it becomes, each question to an endpoint, a job. Parts get a `Tracer`; without
 * `[tracing]` it is `noTracer`, which makes no span and costs a call. A span that is begun inside another one is its child, over promises too.
 */

/** Names as in the semantic conventions of OpenTelemetry where they have one, else `entrepot.NAME`. Undefined values are left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

export interface OpenSpan {
  rename(name: string): void;
  set(attributes: SpanAttributes): void;
  /** Marks the span as failed. */
  fail(reason: string): void;
}

export type SpanKind = 'internal' | 'server' | 'client' | 'consumer';

export interface Tracer {
  /** Runs `work` in a span, which ends when `work` has settled. What `work` throws fails the span and goes on. */
  span<T>(
    name: string,
    about: { readonly kind?: SpanKind; readonly attributes?: SpanAttributes },
    work: (span: OpenSpan) => Promise<T>,
  ): Promise<T>;
  /** Runs `work` so that its spans belong to the trace that `traceparent` of `headers` names, if it is one. */
  under<T>(headers: Readonly<Record<string, unknown>>, work: () => Promise<T>): Promise<T>;
  /** `traceparent` and `tracestate` for a request to another server (W3C Trace Context). */
  outgoing(): Readonly<Record<string, string>>;
  /** Sends what waits, for two seconds at most. */
  close(): Promise<void>;
}

const nothing = {};
const noSpan: OpenSpan = { rename() {}, set() {}, fail() {} };

/** Where nothing is traced. */
export const noTracer: Tracer = {
  span: (_name, _about, work) => work(noSpan),
  under: (_headers, work) => work(),
  outgoing: () => nothing,
  close: async () => {},
};
