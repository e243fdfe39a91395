/**
 * The upstream of the configuration in force. A transfer may outlive several configurations: each request that it sends goes by
 * the one that is in force at that moment. A reload may come
 *
 *   before the answer's headers ... if the image's endpoints have changed, the question is given up and asked again
 *   in the middle of a body ....... the body goes on, unless its endpoint is now blocked or `upstream.offline` is set: then it fails
 */
import { EntrepotError } from '../errors.ts';
import type { BodySink, PushedBody } from '../lib/bytes/pushed-body.ts';
import type { Reference } from '../oci/reference.ts';
import { type Endpoint, endpointKey } from './endpoint.ts';
import type { Answer, Upstream } from './upstream.ts';

export interface UpstreamInForce {
  readonly current: Upstream;
  /** Puts a question to the upstream in force. Rejects as `question` does, or with the reason of `signal`. */
  ask<T>(
    reference: Reference,
    question: (upstream: Upstream, signal: AbortSignal) => Promise<Answer<T>>,
    options: {
      readonly signal?: AbortSignal | undefined;
      /** Gets a good answer that came after the reload, from endpoints that may not be asked any more. */
      readonly discard?: (value: T) => void;
    },
  ): Promise<Answer<T>>;
  /** The body of this endpoint's answer. It fails when a reload forbids the endpoint, also if that comes before `consume`. */
  revocable(reference: Reference, endpoint: Endpoint, body: PushedBody): PushedBody;
  /** Another upstream is in force now. */
  changed(): void;
}

/** `current`: the upstream of the configuration that is in force when it is called. */
export function createUpstreamInForce(current: () => Upstream): UpstreamInForce {
  const watching = new Set<() => void>();

  function watch(run: () => void): () => void {
    watching.add(run);
    return () => void watching.delete(run);
  }

  return {
    get current() {
      return current();
    },

    async ask(reference, question, { signal, discard }) {
      for (;;) {
        const asked = wayOf(current(), reference);
        const reload = new AbortController();
        const unwatch = watch(() => {
          if (wayOf(current(), reference) !== asked) reload.abort();
        });
        const either = signal ? AbortSignal.any([signal, reload.signal]) : reload.signal;
        try {
          const answer = await question(current(), either);
          if (!reload.signal.aborted) return answer;
          if (answer.ok) discard?.(answer.value);
        } catch (error) {
          if (signal?.aborted) throw signal.reason;
          if (!reload.signal.aborted) throw error;
        } finally {
          unwatch();
        }
      }
    },

    revocable(reference, endpoint, body) {
      let sink: BodySink | undefined;
      let isRevoked = false;
      const unwatch = watch(() => {
        if (mayGoOn(current(), reference, endpoint)) return;
        unwatch();
        isRevoked = true;
        body.cancel();
        sink?.fail(revoked);
      });
      return {
        consume(given) {
          sink = given;
          if (isRevoked) return queueMicrotask(() => given.fail(revoked));
          body.consume({
            data: (chunk) => given.data(chunk),
            end() {
              unwatch();
              given.end();
            },
            fail(reason) {
              unwatch();
              given.fail(reason);
            },
          });
        },
        resume: () => body.resume(),
        cancel() {
          unwatch();
          body.cancel();
        },
      };
    },

    changed() {
      // One run may end the watch of another, such as that of a body that the same transfer reads.
      for (const run of [...watching]) if (watching.has(run)) run();
    },
  };
}

const revoked = 'the configuration no longer allows anything from there';

/** What decides which endpoints are asked for this reference, as one text. */
function wayOf(upstream: Upstream, reference: Reference): string {
  if (upstream.isOffline) return 'offline';
  const endpoints = endpointsOf(upstream, reference);
  return JSON.stringify(
    endpoints.map((endpoint) => [endpointKey(endpoint), endpoint.insecure, endpoint.blockedBy]),
  );
}

/** One that is no longer an endpoint of the image may finish, unless its own name is blocked. */
function mayGoOn(upstream: Upstream, reference: Reference, endpoint: Endpoint): boolean {
  if (endpoint.role === 'store') return true;
  if (upstream.isOffline) return false;
  const key = endpointKey(endpoint);
  const listed = endpointsOf(upstream, reference).find((one) => endpointKey(one) === key);
  const itself = listed ?? endpointsOf(upstream, endpoint.reference).at(-1);
  return itself?.blockedBy === undefined;
}

/** None if the configuration makes no valid name of the reference: the next request reports it. */
function endpointsOf(upstream: Upstream, reference: Reference): readonly Endpoint[] {
  try {
    return upstream.endpoints(reference);
  } catch (error) {
    if (error instanceof EntrepotError) return [];
    throw error;
  }
}
