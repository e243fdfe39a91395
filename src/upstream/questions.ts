/** Questions to endpoints and buckets: which of them are asked, and what `upstream.offline` leaves of that. */
import type { UpstreamConfig } from '../config/config.ts';
import type { Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';
import { type AskDeps, askInOrder, type QuestionOptions } from './ask-in-order.ts';
import type { Ask } from './attempt.ts';
import { type Buckets, type createBucketQuestions, withBuckets } from './buckets.ts';
import { type Endpoint, endpointKey } from './endpoint.ts';
import type { EndpointsOf } from './endpoints.ts';
import { offlineReason } from './outcome.ts';
import { withoutPeers } from './peer-endpoints.ts';
import type { Answer, Upstream } from './upstream.ts';

export interface QuestionsDeps extends Omit<AskDeps, 'budget'> {
  readonly endpoints: EndpointsOf;
  readonly buckets: Buckets;
  readonly atBuckets: ReturnType<typeof createBucketQuestions>;
  /** Disks of other replicas, which may have hosted content. */
  readonly disks: EndpointsOf;
  readonly upstream: Pick<UpstreamConfig, 'offline' | 'totalTimeout'>;
  readonly traceAsk: TraceAsk | undefined;
}

/** The same question, which also tells of itself. */
export type TraceAsk = <T>(ask: Ask<T>) => Ask<T>;

export interface Questions {
  /** Rejects as `askInOrder`, and with EntrepotError REWRITE_INVALID. `discard` gets a good answer that came too late. */
  ask<T>(
    reference: Reference,
    question: Ask<T>,
    options?: QuestionOptions,
    discard?: (value: T) => void,
  ): Promise<Answer<T>>;
  readonly isInBucket: Upstream['isInBucket'];
}

/** ms for the question whether a bucket has a content. */
const bucketBudget = 1000;

/** Of one configuration. */
export function createQuestions({
  endpoints,
  buckets,
  atBuckets,
  disks,
  upstream,
  traceAsk = (question) => question,
  ...deps
}: QuestionsDeps): Questions {
  const { offline, totalTimeout: budget } = upstream;

  return {
    async ask(reference, question, options = {}, discard) {
      const all = endpoints(reference);
      const configured = options.peers === false ? withoutPeers(all) : all;
      const { digest } = reference;
      const isForBuckets = options.buckets !== undefined && digest !== undefined;
      if (offline && !isForBuckets) return offlineAnswer(configured);
      // Buckets are no upstream: they are asked offline as well.
      const how = offline ? 'only' : options.buckets;
      const stores =
        how && digest ? await withBuckets(configured, { ...reference, digest }, how, buckets) : configured;
      const asksDisks = how === 'only' && !offline && options.peers !== false;
      const asked = asksDisks ? [...stores, ...disks(reference)] : stores;
      if (offline && asked.length === 0) return offlineAnswer(configured);
      const questionOptions = { ...options, ...(discard && { discard }) };
      const answer = await askInOrder(asked, traceAsk(question), { ...deps, budget }, questionOptions);
      const isUnknown = !answer.ok && offline && answer.verdict.kind === 'notFound';
      return isUnknown && options.buckets === 'first' ? { ...answer, verdict: { kind: 'offline' } } : answer;
    },

    async isInBucket(reference: Reference, digest: Digest) {
      const stores = await withBuckets([], { ...reference, digest }, 'only', buckets);
      if (stores.length === 0) return false;
      const answer = await askInOrder(stores, atBuckets.head(digest), { ...deps, budget: bucketBudget });
      return answer.ok;
    },
  };
}

function offlineAnswer(endpoints: readonly Endpoint[]): Answer<never> {
  const trail = endpoints.map((endpoint) => ({
    endpoint: endpointKey(endpoint),
    role: endpoint.role,
    outcome: 'skipped' as const,
    reason: offlineReason,
    ms: 0,
  }));
  return { ok: false, verdict: { kind: 'offline' }, trail };
}
