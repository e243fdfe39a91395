/**
 * The distribution API under `/v2`. A request passes these steps, and each has one place:
 *
 *   read      `registry-request.ts`   method, path and query exactly as sent
 *   admit     `admission.ts`          the principal, or the answer to credentials that are wrong
 *   dispatch  here                    GET and HEAD to the read handler, writes and uploads to the write handler
 *   handle    `read-handler.ts`, `write-handler.ts`   a target and an answer, which is a value (`answers/`)
 *   write     `send-answer.ts`        the answer with the headers that every answer has
 *   log       `request-log.ts`        one line, one count; `audit-entry.ts` for the audit log
 *
 * It uses node:http without Hono for three reasons: a name is judged by the URL as sent, blobs go from the disk to the
 * socket, and a manifest hit does not pay for Request and Response objects (decision 0002).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Access } from '../access/access.ts';
import type { Principal } from '../access/principal.ts';
import type { RecentRequests } from '../admin/status/recent-requests.ts';
import type { Audit } from '../telemetry/audit/audit.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { noTracer, type Tracer } from '../telemetry/tracing/tracer.ts';
import { isOfflineTrail, offlineReason } from '../upstream/outcome.ts';
import { type Admission, admit } from './admission.ts';
import type { Answer } from './answers/answer.ts';
import { faultAnswer } from './answers/registry-error.ts';
import { auditEntry } from './audit-entry.ts';
import type { ClientAddress } from './client-address.ts';
import type { HandledRequest } from './handled-request.ts';
import { closeLingering } from './lingering-close.ts';
import { addPeerHeaders, admissionOfPeer, type PeerSender, peerOf, whileAtWork } from './peer-request.ts';
import { createReadHandler, type ReadHandlerDeps } from './read-handler.ts';
import { type Handled, type RegistryRequest, readRegistryRequest } from './registry-request.ts';
import { createRequestLog, requestIdOf } from './request-log.ts';
import { describeRequest } from './request-span.ts';
import { sendAnswer } from './send-answer.ts';
import { createWriteHandler, isUploadRequest, type WriteHandlerDeps } from './write-handler.ts';

export interface RegistryApiDeps
  extends ReadHandlerDeps,
    WriteHandlerDeps,
    Pick<ClientAddress, 'addressOf' | 'isSecure'> {
  /** In force now. */
  readonly access: () => Access;
  readonly log: Log;
  readonly metrics?: Metrics | undefined;
  /** Keeps the last requests for the status. */
  readonly recent?: Pick<RecentRequests, 'add'> | undefined;
  readonly audit?: Audit | undefined;
  readonly tracer?: Tracer | undefined;
}

export interface RegistryApi {
  /** Answers; resolves when the answer is over, however it ended. Never rejects. */
  handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<unknown>;
}

/** Whether a raw request target belongs to the distribution API. */
export function isRegistryUrl(url: string): boolean {
  if (!url.startsWith('/v2')) return false;
  const next = url.charCodeAt(3);
  return Number.isNaN(next) || next === 0x2f || next === 0x3f;
}

/** `stallTimeout`: ms in which a client must take a chunk of a body. */
export function createRegistryApi(
  deps: RegistryApiDeps,
  options: { readonly stallTimeout: () => number },
): RegistryApi {
  const { clock, newId, addressOf, isSecure, route, peers, audit, tracer = noTracer } = deps;
  const requestLog = createRequestLog(deps);
  const read = createReadHandler(deps);
  const write = createWriteHandler(deps);

  function dispatch(
    request: RegistryRequest,
    admission: Admission,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    client: string,
  ): Handled {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (isRead && !isUploadRequest(request)) return read(request, admission, client);
    return write(request, admission, { incoming, outgoing });
  }

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<HandledRequest> {
    const request = readRegistryRequest(incoming);
    const requestId = requestIdOf(incoming, newId);
    const client = addressOf(incoming);
    const over = requestLog.begin(incoming, { requestId, rawPath: request.rawPath, client });
    let handled: Handled | undefined;
    let principal: Principal | undefined;
    let peer: PeerSender | undefined;
    let answer: Answer;
    try {
      peer = peers && peerOf(peers, incoming);
      const found =
        peer === undefined
          ? admit(deps.access(), incoming, { route, address: client, secure: isSecure(incoming) })
          : ({ ok: true, admission: admissionOfPeer(peer) } as const);
      const admitted = found instanceof Promise ? await found : found;
      if (admitted.ok) {
        principal = admitted.admission.principal;
        handled = dispatch(request, admitted.admission, incoming, outgoing, client);
        answer = await (handled.isAtWork ? whileAtWork(outgoing, handled.answer, clock) : handled.answer);
      } else {
        answer = admitted.answer;
      }
    } catch (fault) {
      answer = faultAnswer(fault, requestId);
    }
    addCommonHeaders(answer, requestId, handled?.namespace);
    if (peers && peer) addPeerHeaders(answer, peers.id(), clock.now());
    // The rest of a body that nothing reads would be taken for the next request.
    if (!incoming.complete && hasBody(incoming)) {
      answer.headers.Connection = 'close';
      closeLingering(incoming, clock);
    }
    const stallTimeout = options.stallTimeout();
    const sent = await sendAnswer(incoming, outgoing, answer, { requestId, clock, stallTimeout });
    const done = { requestId, client, answer, target: handled?.target, principal, sent };
    over(done);
    if (audit?.isOn) {
      const entry = auditEntry(incoming, done);
      if (entry) audit.record(entry);
    }
    return done;
  }

  /** The span is named by the route, so that the number of names stays small. */
  function traced(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = '', headers } = incoming;
    const attributes = { 'http.request.method': method, 'client.address': addressOf(incoming) };
    return tracer.under(headers, () =>
      tracer.span(`${method} /v2`, { kind: 'server', attributes }, async (span) => {
        describeRequest(span, method, await handle(incoming, outgoing));
      }),
    );
  }

  return { handle: tracer === noTracer ? handle : traced };
}

/** `namespace` is repeated if it chose the registry (distribution-spec, "Registry Proxying"). */
function addCommonHeaders(
  { headers, cache, trail = [] }: Answer,
  requestId: string,
  namespace: string | undefined,
): void {
  headers['Docker-Distribution-API-Version'] = 'registry/2.0';
  headers['X-Content-Type-Options'] = 'nosniff';
  headers['X-Request-Id'] = requestId;
  if (namespace !== undefined) headers['OCI-Namespace'] = namespace;
  if (cache !== undefined) headers['X-Entrepot-Cache'] = cache;
  if (cache === 'stale') {
    const why = isOfflineTrail(trail) ? offlineReason : 'no registry could confirm this';
    headers.Warning = `299 - "${why}, it is served as last seen"`;
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
