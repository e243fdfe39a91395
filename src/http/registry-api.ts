/**
 * The distribution API under `/v2`, as clients see it: a request becomes a target, `pull` answers it, and what comes of it is
 * written here. It speaks plain node:http, for three reasons: a name is judged by the URL exactly as sent, blobs
 * go from the disk to the socket, and a manifest hit does not pay for Request and Response objects.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../lib/clock.ts';
import type { Pull } from '../pull/pull.ts';
import type { Routed, Router } from '../routing/router.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type Answer, isStreamed, jsonAnswer } from './answers/answer.ts';
import { answerBlob, answerBlobHead } from './answers/blob-answer.ts';
import { answerReferrers, answerTags } from './answers/list-answer.ts';
import { answerManifest } from './answers/manifest-answer.ts';
import { reasonPhrase } from './answers/reason-phrase.ts';
import { faultAnswer, loopAnswer, refusalAnswer, writeAnswer } from './answers/registry-error.ts';
import { createRequestLog, requestIdOf } from './request-log.ts';
import { type Sent, sendBody } from './send-bytes.ts';

export interface RegistryApiDeps {
  readonly pull: Pull;
  readonly route: Router;
  readonly log: Log;
  readonly clock: Clock;
  readonly metrics?: Metrics | undefined;
  /** What our own requests bear as `Via`. */
  readonly via?: string | undefined;
  /** Unique texts of URL-safe characters: request ids, boundaries. */
  readonly newId: () => string;
}

export interface RegistryApi {
  /** Answers; resolves when the answer is over, however it ended. Never rejects. */
  handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void>;
}

/** Whether a raw request target belongs to the distribution API. */
export function isRegistryUrl(url: string): boolean {
  if (!url.startsWith('/v2')) return false;
  const next = url.charCodeAt(3);
  return Number.isNaN(next) || next === 0x2f || next === 0x3f;
}

export function createRegistryApi(
  deps: RegistryApiDeps,
  options: { /** ms in which a client must take a chunk. */ readonly stallTimeout: () => number },
): RegistryApi {
  const { pull, route, clock, newId } = deps;
  const requestLog = createRequestLog(deps);

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const url = incoming.url ?? '';
    const question = url.indexOf('?');
    const rawPath = question < 0 ? url : url.slice(0, question);
    const rawQuery = question < 0 ? '' : url.slice(question + 1);
    const requestId = requestIdOf(incoming, newId);
    const over = requestLog.begin(incoming, requestId, rawPath);

    let routed: Routed | undefined;
    let answer: Answer;
    try {
      const { method } = incoming;
      if (method !== 'GET' && method !== 'HEAD') {
        answer = writeAnswer(method ?? 'this method');
      } else if (rawPath === '/v2/' || rawPath === '/v2') {
        answer = jsonAnswer(200, {});
      } else if (deps.via !== undefined && incoming.headers.via?.includes(deps.via)) {
        answer = loopAnswer();
      } else {
        routed = route.route({ rawPath, rawQuery, host: incoming.headers.host });
        answer = routed.ok ? await answerTarget(routed, rawPath, incoming) : refusalAnswer(routed.refusal);
      }
    } catch (fault) {
      answer = faultAnswer(fault, requestId);
    }
    const target = routed?.ok ? routed.target : undefined;
    const namespace = routed?.ok ? routed.namespace : undefined;
    const sent = await write(incoming, outgoing, withCommonHeaders(answer, requestId, namespace), requestId);
    over({ answer, target, sent });
  }

  function answerTarget(
    routed: Extract<Routed, { ok: true }>,
    rawPath: string,
    incoming: IncomingMessage,
  ): Promise<Answer> {
    const { target } = routed;
    const { headers, method } = incoming;
    const ifNoneMatch = headers['if-none-match'];
    switch (target.kind) {
      case 'manifest':
        return answerManifest(pull, target, { ifNoneMatch });
      case 'blob': {
        if (method === 'HEAD') return answerBlobHead(pull, target, { ifNoneMatch });
        const ifRange = headers['if-range'];
        const conditions = {
          ifNoneMatch,
          range: headers.range,
          ifRange: typeof ifRange === 'string' ? ifRange : undefined,
        };
        return answerBlob(pull, target, conditions, { newBoundary: () => `entrepot-${newId()}` });
      }
      case 'tags':
        return answerTags(pull, target, { rawPath, name: routed.name, namespace: routed.namespace });
      case 'referrers':
        return answerReferrers(pull, target);
    }
  }

  async function write(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    answer: Answer,
    requestId: string,
  ): Promise<Sent> {
    const { body } = answer;
    const isHead = incoming.method === 'HEAD';
    if (outgoing.destroyed) {
      if (isStreamed(body)) body.close();
      return { bytes: 0, end: 'clientLeft' };
    }
    try {
      if (answer.status < 400) outgoing.writeHead(answer.status, answer.headers);
      else
        outgoing.writeHead(
          answer.status,
          reasonPhrase(answer.status, answer.summary, requestId),
          answer.headers,
        );
    } catch (fault) {
      // A header that came from an upstream and that node refuses to send.
      if (isStreamed(body)) body.close();
      outgoing.destroy();
      return { bytes: 0, end: 'failed', fault };
    }
    if (isStreamed(body)) {
      if (!isHead) return sendBody(outgoing, body, { clock, stallTimeout: options.stallTimeout() });
      body.close();
    }
    const bytes = isHead || isStreamed(body) ? undefined : body;
    outgoing.end(bytes);
    return { bytes: bytes?.length ?? 0, end: 'complete' };
  }

  return { handle };
}

/** `namespace` is echoed where it decided (distribution-spec, "Registry Proxying"); it is a checked `host[:port]`. */
function withCommonHeaders(answer: Answer, requestId: string, namespace: string | undefined): Answer {
  const { headers } = answer;
  headers['Docker-Distribution-API-Version'] = 'registry/2.0';
  headers['X-Content-Type-Options'] = 'nosniff';
  headers['X-Request-Id'] = requestId;
  if (namespace !== undefined) headers['OCI-Namespace'] = namespace;
  if (answer.cache !== undefined) headers['X-Entrepot-Cache'] = answer.cache;
  if (answer.cache === 'stale') {
    headers.Warning = '299 - "no registry could confirm this, it is served as last seen"';
  }
  return answer;
}
