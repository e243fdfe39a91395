/**
 * Requests that write, and requests about uploads:
 *
 *   a request of this very server     508
 *   no [[push]] rule for the image    405, as for a mirror that takes no pushes; also where its registry is not listed
 *   the principal lacks the right     401 or 403 (`admission.ts`)
 *   all else                          `push/push-api.ts`
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { EventCause } from '../cache/index/outbox/outbox-event.ts';
import type { Clock } from '../lib/clock.ts';
import type { ViaChain } from '../lib/flow/via-chain.ts';
import type { Digest } from '../oci/digest.ts';
import { maxManifestBytes } from '../oci/manifest.ts';
import type { Push } from '../push/push.ts';
import type { RoutedPush, Router } from '../routing/router.ts';
import type { ImageName } from '../routing/target.ts';
import { parseUploadPath } from '../routing/upload-path.ts';
import type { Admission } from './admission.ts';
import { loopAnswer, notAllowedAnswer, refusalAnswer } from './answers/registry-error.ts';
import { createBodyBudget } from './body-budget.ts';
import type { AddressOf } from './client-address.ts';
import type { PeerRequests } from './peer-request.ts';
import { passOnUpload } from './push/pass-on-upload.ts';
import { answerPush, type PushRequest } from './push/push-api.ts';
import { noPushAnswer } from './push/push-failure.ts';
import { requestBody } from './push/request-body.ts';
import type { Handled, RegistryRequest } from './registry-request.ts';

export interface WriteHandlerDeps {
  readonly push: Push;
  readonly route: Router;
  readonly clock: Clock;
  readonly addressOf: AddressOf;
  /** Knows requests that this server has sent itself. */
  readonly via?: ViaChain | undefined;
  /** Undefined where this server belongs to no cluster. */
  readonly peers?: PeerRequests | undefined;
}

export type WriteHandler = (
  request: RegistryRequest,
  admission: Admission,
  sockets: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse },
) => Handled;

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Whether a request belongs here although its method reads. */
export function isUploadRequest({ rawPath }: RegistryRequest): boolean {
  return rawPath.includes('/blobs/uploads') && parseUploadPath(rawPath) !== undefined;
}

/** Answers once; `answer` rejects where the storage fails. */
export function createWriteHandler(deps: WriteHandlerDeps): WriteHandler {
  const { push, route, clock, addressOf, via, peers } = deps;
  const bodies = createBodyBudget({ most: maxHeld }, 'manifests');

  return (request, admission, { incoming, outgoing }) => {
    const { method, headers, rawPath, rawQuery } = request;
    const body = requestBody(incoming, outgoing, clock);
    if (!methods.includes(method))
      return { answer: notAllowedAnswer(`this API has no method ${method}`, methods.join(', ')) };
    if (via?.isOwn(headers.via)) return { answer: loopAnswer() };
    const routed = route.routePush({ rawPath, rawQuery, host: headers.host });
    const right = method === 'DELETE' && !isUploadRequest(request) ? 'delete' : 'push';
    if (!routed.ok) {
      const { refusal } = routed;
      if (refusal.image === undefined) return { answer: refusalAnswer(refusal) };
      return { answer: noPushAnswer(refusal.image, { right, isUnlisted: true }) };
    }
    const { target, name, namespace } = routed;
    const { image } = target;
    const handled = { target, namespace };
    if (!push.rule(image)) return { ...handled, answer: noPushAnswer(image.name, { right }) };
    const refusal = admission.refusal({ right, image, name, namespace });
    if (refusal) return { ...handled, answer: refusal };
    const asked: PushRequest = {
      ...pushedTo(routed),
      method,
      owner: admission.owner ?? `${admission.principal.kind}:${admission.principal.name}`,
      cause: causeOf(incoming, admission, addressOf(incoming)),
      query: new URLSearchParams(rawQuery),
      headers: { contentType: headers['content-type'], contentRange: headers['content-range'] },
      body,
      mountSources: (digest, from) =>
        mountSources(digest, from, { host: headers.host, namespace }, admission),
    };
    if (peers && target.kind === 'upload' && admission.peer === undefined) {
      const home = target.id === undefined ? undefined : peers.homeOf(target.id);
      if (home) return { ...handled, answer: passOnUpload(peers.passOn, home, asked) };
    }
    const pushed = () => answerPush(push, asked);
    const isManifest = target.kind === 'manifest' && method === 'PUT';
    const size = Math.min(body.length ?? maxManifestBytes, maxManifestBytes);
    const answer = isManifest ? bodies.during(size, addressOf(incoming), pushed) : pushed();
    return { ...handled, isAtWork: admission.owner !== undefined, answer };
  };

  /** A repository that the client may not pull is none: a mount must not tell what is there. */
  async function mountSources(
    digest: Digest,
    from: string | undefined,
    { host, namespace }: { readonly host: string | undefined; readonly namespace: string | undefined },
    admission: Admission,
  ): Promise<readonly ImageName[]> {
    if (from === undefined) return push.imagesServing(digest, (image) => admission.may('pull', image));
    const routed = route.image(from, namespace, host);
    return routed.ok && admission.may('pull', routed.image) ? [routed.image] : [];
  }
}

/** Characters of a text of the client that events repeat. */
const maxText = 200;

function causeOf(
  { method = '', headers, socket }: IncomingMessage,
  { principal }: Admission,
  address: string,
): EventCause {
  return {
    actor: principal.name,
    address,
    host: (headers.host ?? '').slice(0, maxText),
    isTls: socket instanceof TLSSocket,
    method,
    userAgent: (headers['user-agent'] ?? '').slice(0, maxText),
  };
}

function pushedTo({ target, name, namespace }: Extract<RoutedPush, { ok: true }>) {
  return { target, name, namespace };
}

/** Bytes of manifests that may be on their way in at once: they are held in memory. */
const maxHeld = 32 * maxManifestBytes;
