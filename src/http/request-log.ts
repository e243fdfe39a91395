/** One log line and one count per request, written when the answer is over. */
import type { IncomingMessage } from 'node:http';
import type { Principal } from '../access/principal.ts';
import type { RecentRequests } from '../admin/status/recent-requests.ts';
import type { Clock } from '../lib/clock.ts';
import type { PushTarget, Target } from '../routing/target.ts';
import type { LineFields, Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Answer } from './answers/answer.ts';
import type { Sent } from './send-bytes.ts';

export interface RequestLog {
  /** Call when a request arrives. Call the result once, when its answer is over. */
  begin(incoming: IncomingMessage, begun: RequestBegun): (over: RequestOver) => void;
}

export interface RequestBegun {
  readonly requestId: string;
  readonly rawPath: string;
  /** IP address of the client (`client-address.ts`). */
  readonly client: string;
}

export interface RequestOver {
  readonly answer: Answer;
  readonly target: Target | PushTarget | undefined;
  /** Undefined where the credentials were wrong. */
  readonly principal: Principal | undefined;
  /** Bytes of the body, and how it ended. */
  readonly sent: Sent;
}

const maxLoggedPath = 300;
const maxLoggedAgent = 100;
/** Characters that are safe in a log, a terminal and a page: UUIDs, hexadecimal, base64, ids with a colon or an equals sign. */
const requestIdForm = /^[A-Za-z0-9._:+/=-]{1,128}$/;

/** The client's own X-Request-Id if it has a safe form, so that one id runs through every log; else a new one. */
export function requestIdOf(incoming: IncomingMessage, newId: () => string): string {
  const given = incoming.headers['x-request-id'];
  return typeof given === 'string' && requestIdForm.test(given) ? given : newId();
}

/** Error for a fault, warn for a 5xx or an answer that broke off on our side, else info. */
export function createRequestLog(deps: {
  readonly log: Log;
  readonly clock: Clock;
  readonly metrics?: Metrics | undefined;
  readonly recent?: Pick<RecentRequests, 'add'> | undefined;
}): RequestLog {
  const { log, clock, metrics, recent } = deps;
  return {
    begin(incoming, { requestId, rawPath, client }) {
      const startedAt = clock.monotonic();
      return ({ answer, target, principal, sent }) => {
        const ms = clock.monotonic() - startedAt;
        const { status, cache, endpoint, reason, fault } = answer;
        const { bytes, end } = sent;
        metrics?.answered({ kind: target?.kind ?? 'other', status, cache, bytes, end, seconds: ms / 1000 });
        // Without the query: careless clients put secrets there.
        const path = rawPath.slice(0, maxLoggedPath);
        const fields: LineFields & Record<string, unknown> = {
          event: 'http.request',
          id: requestId,
          client,
          method: incoming.method,
          path,
          status,
          bytes,
          ms: Math.round(ms * 10) / 10,
        };
        const agent = incoming.headers['user-agent']?.slice(0, maxLoggedAgent);
        if (agent) fields.agent = agent;
        if (target) fields.image = target.image.name;
        if (principal) fields.principal = principal.name;
        if (cache) fields.cache = cache;
        if (endpoint !== undefined) fields.endpoint = endpoint;
        if (end !== 'complete') fields.end = end;
        if (reason !== undefined) fields.reason = reason;
        if (sent.fault !== undefined) fields.reason = String(sent.fault);
        if (fault !== undefined) fields.err = fault;
        // For a good answer, too: if an earlier endpoint failed, only this line says so.
        if (answer.trail?.some(({ outcome }) => outcome !== 'ok')) fields.trail = answer.trail;
        // One plain literal: spreads cost a warm manifest a twentieth of its time.
        recent?.add({
          id: requestId,
          at: clock.now(),
          method: incoming.method,
          path,
          target,
          status,
          cache,
          bytes,
          ms,
          end,
          client,
          agent,
          principal,
          endpoint,
          reason: sent.fault === undefined ? reason : String(sent.fault),
          trail: answer.trail,
        });
        if (fault !== undefined) log.error(fields, 'request');
        else if (status >= 500 || end === 'failed') log.warn(fields, 'request');
        else log.info(fields, 'request');
      };
    },
  };
}
