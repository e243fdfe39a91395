/**
 * `POST /events/NAME`: a registry tells of changes. A sender such as distribution sends an event that was refused again for ever, and
 * nothing behind it meanwhile. So only this is refused:
 *
 *   no [[events.in]] of this name          404
 *   another method than POST               405
 *   the secret is wrong                    401, later with each failure of the same address (access/failed-logins.ts)
 *   the secret file cannot be read         503
 *   more than 1 MiB                        413, unread where Content-Length says so
 *   no JSON, or nested deeper than 100     400
 *
 * All else is 202, and what is not understood counts as ignored. The answer comes when the index has the jobs; no registry is asked.
 * [access] does not apply here, and nothing else is reached through here.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../lib/clock.ts';
import type { ViaChain } from '../../lib/flow/via-chain.ts';
import { parseJson } from '../../oci/parse-json.ts';
import type { EventSource, Received } from '../../replication/events/event-sources.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { Answer } from '../answers/answer.ts';
import { errorsAnswer, faultAnswer } from '../answers/registry-error.ts';
import { createBodyBudget } from '../body-budget.ts';
import type { AddressOf } from '../client-address.ts';
import { closeLingering } from '../lingering-close.ts';
import { type RequestBody, requestBody } from '../push/request-body.ts';
import { createRequestLog, requestIdOf } from '../request-log.ts';
import { sendAnswer } from '../send-answer.ts';
import { type EventPath, readEventPath } from './event-path.ts';
import { createSenderChecks, type EventsIn } from './sender-checks.ts';
import { headerOf, proofOf } from './sender-secret.ts';

export interface EventsApiDeps {
  /** Of the configuration in force. */
  readonly events: EventsIn;
  readonly addressOf: AddressOf;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics | undefined;
  readonly newId: () => string;
  /** Knows requests that this server has sent itself. */
  readonly via?: ViaChain | undefined;
}

export interface EventsApi {
  /** Answers; resolves when the answer is over, however it ended. Never rejects. */
  handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void>;
}

/** Bytes of one body, and of all bodies with a secret that was right. */
const maxBody = 1024 * 1024;
const maxHeld = 64 * maxBody;
/** Of bodies that are read for their signature. It takes no secret to send one, so an address leaves room for senders at others. */
const unprovenBounds = { most: 16 * maxBody, mostOfOne: 4 * maxBody };
/** More values than a body of events has; each takes memory. */
const jsonLimits = { depth: 100, values: 100_000 };

/** `stallTimeout`: ms in which a client must take an answer. */
export function createEventsApi(
  deps: EventsApiDeps,
  options: { readonly stallTimeout: () => number },
): EventsApi {
  const { events, addressOf, clock, metrics, newId, via } = deps;
  const requestLog = createRequestLog(deps);
  const checks = createSenderChecks(deps);
  const proven = createBodyBudget({ most: maxHeld }, 'events');
  const unproven = createBodyBudget(unprovenBounds, 'signed events');

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const path = readEventPath(incoming.url ?? '');
    const requestId = requestIdOf(incoming, newId);
    const over = requestLog.begin(incoming, {
      requestId,
      rawPath: path.shown,
      client: addressOf(incoming),
    });
    const body = requestBody(incoming, outgoing, clock);
    const answer = await respond(incoming, path, body).catch((fault) => faultAnswer(fault, requestId));
    answer.headers['X-Content-Type-Options'] = 'nosniff';
    answer.headers['Cache-Control'] = 'no-store';
    answer.headers['X-Request-Id'] = requestId;
    if (!incoming.complete && body.length !== 0) {
      answer.headers.Connection = 'close';
      closeLingering(incoming, clock);
    }
    const sendOptions = { requestId, clock, stallTimeout: options.stallTimeout() };
    const sent = await sendAnswer(incoming, outgoing, answer, sendOptions);
    over({ answer, target: undefined, principal: undefined, sent });
  }

  async function respond(incoming: IncomingMessage, path: EventPath, body: RequestBody): Promise<Answer> {
    const source = events.source(path.name);
    if (!source || (path.secret !== undefined && !source.settings.secretInPath)) {
      const message = 'no [[events.in]] of entrepot.toml has this path';
      return errorsAnswer(404, [{ code: 'NAME_UNKNOWN', message }]);
    }
    if (incoming.method !== 'POST') {
      const message = 'events are sent with POST';
      return errorsAnswer(405, [{ code: 'UNSUPPORTED', message }], { Allow: 'POST' });
    }
    const answer = await fromSender(incoming, path, source, body);
    if (answer.status !== 202) metrics?.eventsReceived(source.settings.name, 'refused', 1);
    return answer;
  }

  async function fromSender(
    incoming: IncomingMessage,
    path: EventPath,
    source: EventSource,
    body: RequestBody,
  ): Promise<Answer> {
    const secret = checks.secretOf(source);
    if (typeof secret !== 'string') return secret;
    const proof = proofOf(incoming.headers, path.secret, source.settings.signatureHeader);
    const refusal =
      proof.kind === 'signature' ? undefined : await checks.refusal(incoming, source, proof, secret);
    if (refusal) return refusal;
    if (body.length !== undefined && body.length > maxBody) return tooLarge();
    const budget = proof.kind === 'signature' ? unproven : proven;
    return budget.during(body.length ?? maxBody, addressOf(incoming), async () => {
      const bytes = await body.whole(maxBody).catch(() => 'clientLeft' as const);
      if (bytes === 'clientLeft')
        return errorsAnswer(400, [{ code: 'UNKNOWN', message: 'the body ended too soon' }]);
      if (!bytes) return tooLarge();
      const late =
        proof.kind === 'signature' ? await checks.refusal(incoming, source, proof, secret, bytes) : undefined;
      return late ?? taken(incoming, source, bytes);
    });
  }

  async function taken(
    { headers }: IncomingMessage,
    source: EventSource,
    bytes: Uint8Array,
  ): Promise<Answer> {
    const parsed = parseJson(bytes, jsonLimits);
    if (!parsed.ok) return errorsAnswer(400, [{ code: 'UNKNOWN', message: `the body ${parsed.problem}` }]);
    // It went out from here, and came back over another server.
    const isOwn = via?.isOwn(headers.via) ?? false;
    const received = isOwn
      ? ownEvents
      : await source.receive(parsed.value, (name) => headerOf(headers, name));
    for (const result of ['accepted', 'duplicate', 'ignored'] as const) {
      if (received[result] > 0) metrics?.eventsReceived(source.settings.name, result, received[result]);
    }
    return { status: 202, headers: { 'Content-Length': 0 }, reason: inWords(received) };
  }

  return { handle };
}

/** Events that this server has sent itself. */
const ownEvents: Received = { accepted: 0, duplicate: 0, ignored: 1, reasons: ['this server sent it'] };

function tooLarge(): Answer {
  return errorsAnswer(413, [
    { code: 'SIZE_INVALID', message: `a body of events has at most ${maxBody} bytes` },
  ]);
}

/** For the log line of the request, where not every event was accepted. */
function inWords({ accepted, duplicate, ignored, reasons }: Received): string | undefined {
  if (duplicate + ignored === 0) return undefined;
  const why = reasons.length === 0 ? '' : ` (${reasons.join(', ')})`;
  return `events: ${accepted} accepted, ${duplicate} known, ${ignored} ignored${why}`;
}
