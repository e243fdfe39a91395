/**
 * The upstream of the configuration in force. A transfer may outlive several configurations: each request that it sends goes by
 * the one that is in force at that moment.
 *
 *   a reload comes ...
 *   before the answer's headers   -> if the image's endpoints have changed, the question is given up and asked anew
 *   in the middle of a body       -> the body comes to its end, unless its endpoint is now blocked or `upstream.offline` is set
 */
import type { Reference } from '../oci/reference.ts';
import { type Endpoint, endpointKey } from './endpoint.ts';
import type { Answer, Upstream, UpstreamBody } from './upstream.ts';

export interface UpstreamInForce {
  readonly current: Upstream;
  /** Puts a question to the upstream in force. Rejects as `question` does, or with the reason of `signal`. */
  ask<T>(
    reference: Reference,
    question: (upstream: Upstream, signal: AbortSignal) => Promise<Answer<T>>,
    options: {
      readonly signal?: AbortSignal | undefined;
      /** Gets a good answer that came under the configuration before. */
      readonly discard?: (value: T) => void;
    },
  ): Promise<Answer<T>>;
  /** The body of this endpoint's answer; it fails when the endpoint may be asked no more. */
  revocable(reference: Reference, endpoint: Endpoint, body: UpstreamBody): UpstreamBody;
  /** Another upstream is in force now. */
  changed(): void;
}

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
          if (!reload.signal.aborted || signal?.aborted) throw error;
        } finally {
          unwatch();
        }
      }
    },

    revocable(reference, endpoint, body) {
      let fail: ((reason: string) => void) | undefined;
      const unwatch = watch(() => {
        if (mayGoOn(current(), reference, endpoint)) return;
        unwatch();
        body.cancel();
        fail?.('the configuration lets nothing come from there any more');
      });
      return {
        consume(sink) {
          fail = (reason) => sink.fail(reason);
          body.consume({
            data: (chunk) => sink.data(chunk),
            end() {
              unwatch();
              sink.end();
            },
            fail(reason) {
              unwatch();
              sink.fail(reason);
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
      for (const run of [...watching]) run();
    },
  };
}

/** What decides who is asked for this reference, as one text. */
function wayOf(upstream: Upstream, reference: Reference): string {
  if (upstream.isOffline) return 'offline';
  const endpoints = endpointsOf(upstream, reference);
  return JSON.stringify(
    endpoints.map((endpoint) => [endpointKey(endpoint), endpoint.insecure, endpoint.blockedBy]),
  );
}

/** One that is no longer an endpoint of the image may finish, unless its own name is blocked. */
function mayGoOn(upstream: Upstream, reference: Reference, endpoint: Endpoint): boolean {
  if (upstream.isOffline) return false;
  const key = endpointKey(endpoint);
  const listed = endpointsOf(upstream, reference).find((one) => endpointKey(one) === key);
  const itself = listed ?? endpointsOf(upstream, endpoint.reference).at(-1);
  return itself?.blockedBy === undefined;
}

/** None if the configuration makes no valid name of the reference: the next request says so. */
function endpointsOf(upstream: Upstream, reference: Reference): readonly Endpoint[] {
  try {
    return upstream.endpoints(reference);
  } catch {
    return [];
  }
}
