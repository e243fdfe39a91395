/**
 * One try to deliver one event, and what its answer means:
 *
 *   2xx ............................ delivered
 *   410 ............................ the sink wants nothing more
 *   another 4xx, but not 408, 429 .. refused: this event will hardly be taken
 *   all else, no answer included ... failed, again later
 */
import { createHmac } from 'node:crypto';
import type { StoredEvent } from '../../cache/index/outbox/outbox-event.ts';
import type { EventSink } from '../../config/event-sink.ts';
import { EntrepotError } from '../../errors.ts';
import type { Upstream } from '../../upstream/upstream.ts';
import { cloudEvent, cloudEventType } from './cloud-event.ts';
import { distributionEnvelope, envelopeType } from './distribution-envelope.ts';
import type { SenderPlace } from './sender-place.ts';

export type Sent =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'refused'; readonly reason: string }
  /** `retryAfter`: ms from now, as the sink asks. `isAnswered`: the sink answered at all. */
  | {
      readonly kind: 'failed';
      readonly reason: string;
      readonly isAnswered: boolean;
      readonly retryAfter?: number | undefined;
    };

export interface SendEventDeps {
  readonly post: Upstream['post'];
  readonly place: () => SenderPlace;
  /** The secret in a file. Throws EntrepotError. */
  readonly readSecret: (file: string) => string;
}

export type SendEvent = (sink: EventSink, event: StoredEvent, signal: AbortSignal) => Promise<Sent>;

/** Never rejects for what a sink does, or for a secret that cannot be read. */
export function createSendEvent({ post, place, readSecret }: SendEventDeps): SendEvent {
  function secretHeaders(file: string | undefined, body: string): Record<string, string> {
    if (file === undefined) return {};
    const secret = readSecret(file);
    const signature = createHmac('sha256', secret).update(body).digest('hex');
    return { authorization: secret, 'x-hub-signature-256': `sha256=${signature}` };
  }

  return async (sink, event, signal) => {
    const { url, format, secretFile, timeout } = sink;
    const isCloudEvent = format === 'cloudevents';
    const told = isCloudEvent ? cloudEvent(event, place()) : distributionEnvelope(event, place());
    if (!told) return { kind: 'refused', reason: `the format "${format}" has no form for it` };
    const body = JSON.stringify(told);
    try {
      const headers = {
        'content-type': isCloudEvent ? cloudEventType : envelopeType,
        ...secretHeaders(secretFile, body),
      };
      const posted = await post(url, { headers, body, timeout, signal });
      if (!posted.ok) return { kind: 'failed', reason: posted.reason, isAnswered: false };
      return verdictOf(posted.status, posted.retryAfter);
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      return { kind: 'failed', reason: error.located, isAnswered: false };
    }
  };
}

function verdictOf(status: number, retryAfter: number | undefined): Sent {
  const reason = `HTTP ${status}`;
  if (status >= 200 && status < 300) return { kind: 'delivered' };
  if (status === 410) return { kind: 'gone' };
  const isRefusal = status >= 400 && status < 500 && status !== 408 && status !== 429;
  return isRefusal ? { kind: 'refused', reason } : { kind: 'failed', reason, isAnswered: true, retryAfter };
}
