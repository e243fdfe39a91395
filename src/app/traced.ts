/** Spans around parts that know nothing of them: pulls, questions to endpoints, jobs. */
import type { JobKind } from '../jobs/job.ts';
import { formatReference } from '../oci/reference.ts';
import type { Pull, Pulled } from '../pull/pull.ts';
import { referenceOf, type Target } from '../routing/target.ts';
import { noTracer, type OpenSpan, type Tracer } from '../telemetry/tracing/tracer.ts';
import type { Ask } from '../upstream/attempt.ts';

/** A pull with a span for each target that is asked for. */
export function tracedPull(pull: Pull, tracer: Tracer): Pull {
  if (tracer === noTracer) return pull;
  function traced<T extends Target, R>(
    what: string,
    work: (target: T) => Promise<Pulled<R>>,
  ): (target: T) => Promise<Pulled<R>> {
    return (target) =>
      tracer.span(
        `pull ${what}`,
        { attributes: { 'entrepot.image': formatReference(referenceOf(target)) } },
        async (span) => {
          const pulled = await work(target);
          describePulled(span, pulled);
          return pulled;
        },
      );
  }
  return {
    ...pull,
    manifest: traced('manifest', pull.manifest),
    headBlob: traced('blob head', pull.headBlob),
    blob: traced('blob', pull.blob),
    tags: traced('tags', pull.tags),
    referrers: traced('referrers', pull.referrers),
  };
}

function describePulled(span: OpenSpan, pulled: Pulled<unknown>): void {
  span.set({
    'entrepot.cache': pulled.cache,
    'entrepot.endpoint': pulled.found ? pulled.endpoint : undefined,
    'entrepot.asked': pulled.trail.length,
  });
  if (!pulled.found) span.fail(pulled.verdict.kind);
}

/** A question with a span for each endpoint that it goes to. */
export function tracedAsk(tracer: Tracer): <T>(ask: Ask<T>) => Ask<T> {
  return (ask) => (endpoint, context) => {
    const { host, role } = endpoint;
    const attributes = { 'server.address': host, 'entrepot.role': role };
    return tracer.span(`ask ${host}`, { kind: 'client', attributes }, async (span) => {
      const outcome = await ask(endpoint, context);
      span.set({ 'entrepot.outcome': outcome.kind });
      if (outcome.kind !== 'ok') span.fail(outcome.reason);
      return outcome;
    });
  };
}

/** A kind of jobs with a span for each run. */
export function tracedJobs(kinds: readonly JobKind[], tracer: Tracer): readonly JobKind[] {
  if (tracer === noTracer) return kinds;
  return kinds.map((kind) => ({
    ...kind,
    run: (context) =>
      tracer.span(`job ${kind.name}`, { kind: 'consumer' }, async (span) => {
        const outcome = await kind.run(context);
        span.set({ 'entrepot.outcome': outcome.kind });
        return outcome;
      }),
  }));
}
