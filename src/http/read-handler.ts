/**
 * GET and HEAD of the distribution API:
 *
 *   /v2/                              200 at once, without a target; 401 where clients are asked for an account
 *   a request of this very server     508: an endpoint of registries.conf leads back here
 *   manifests, blobs, tags, referrers the router makes a target of the request, and `pull` answers it
 *   one of those without the right    `admission.ts`
 *   all else                          the router's refusal
 */
import type { ViaChain } from '../lib/flow/via-chain.ts';
import type { Redirects } from '../placement/redirects.ts';
import type { Pull } from '../pull/pull.ts';
import type { Push } from '../push/push.ts';
import type { Routed, Router } from '../routing/router.ts';
import { type BlobTarget, referenceOf, type Target } from '../routing/target.ts';
import type { Admission } from './admission.ts';
import { type Answer, jsonAnswer } from './answers/answer.ts';
import { answerBlob, answerBlobHead } from './answers/blob-answer.ts';
import { answerReferrers, answerTags } from './answers/list-answer.ts';
import { answerManifest } from './answers/manifest-answer.ts';
import { loopAnswer, refusalAnswer } from './answers/registry-error.ts';
import type { PeerRequests } from './peer-request.ts';
import type { RegistryRequest, RequestHandler } from './registry-request.ts';

export interface ReadHandlerDeps {
  readonly pull: Pull;
  /** The pull without gates; undefined where none stands before `pull`. */
  readonly ungated?: (() => Pull | undefined) | undefined;
  readonly push: Push;
  /** Undefined where this server belongs to no cluster. */
  readonly peers?: PeerRequests | undefined;
  readonly route: Router;
  /** Knows requests that this server has sent itself. */
  readonly via?: ViaChain | undefined;
  /** Undefined where no client is sent to a bucket. */
  readonly redirects?: Redirects | undefined;
  /** Unique text of URL-safe characters, for the boundary of a multipart answer. */
  readonly newId: () => string;
}

/** The handler throws nothing that is the client's fault; `answer` may reject with an EntrepotError. */
export function createReadHandler(deps: ReadHandlerDeps): RequestHandler {
  const { push, route, peers, via, newId, redirects } = deps;
  const blobOptions = { newBoundary: () => `entrepot-${newId()}` };

  /** A principal that may push an image can sign it, and has to see it for that. */
  function forPusher({ image }: Target, admission: Admission): Pull | undefined {
    const ungated = deps.ungated?.();
    if (!ungated || admission.peer !== undefined) return undefined;
    return push.rule(image) !== undefined && admission.mayItself('push', image) ? ungated : undefined;
  }

  function answerTarget(
    routed: Extract<Routed, { ok: true }>,
    request: RegistryRequest,
    admission: Admission,
    client: string,
  ): Promise<Answer> {
    const { name, namespace } = routed;
    const isPeer = admission.peer !== undefined;
    const pull = (isPeer && peers?.pull) || deps.pull;
    const { headers, method, rawPath } = request;
    const target: Target = isPeer ? askedByPeer(routed.target, headers) : routed.target;
    const ifNoneMatch = headers['if-none-match'];
    switch (target.kind) {
      case 'manifest':
        return answerManifest(
          forPusher(target, admission) ?? pull,
          wantsNow(headers) ? { ...target, revalidates: true } : target,
          {
            ifNoneMatch,
          },
        );
      case 'blob': {
        if (method === 'HEAD') {
          const { image } = target;
          const mayPush = () => push.rule(image) !== undefined && admission.may('push', image);
          return answerBlobHead(pull, target, { ifNoneMatch, mayPush });
        }
        const ifRange = headers['if-range'];
        const conditions = {
          ifNoneMatch,
          range: headers.range,
          ifRange: typeof ifRange === 'string' ? ifRange : undefined,
        };
        const own = () => answerBlob(pull, target, conditions, blobOptions);
        // What a client has already is no reason to send it elsewhere.
        return redirects && !isPeer && ifNoneMatch === undefined
          ? answerElsewhere(redirects, target, client, own)
          : own();
      }
      case 'tags':
        return answerTags(pull, target, { rawPath, name, namespace });
      case 'referrers':
        return answerReferrers(pull, target, { rawPath, name, namespace });
    }
  }

  return (request, admission, client) => {
    const { rawPath, rawQuery, headers } = request;
    if (rawPath === '/v2/' || rawPath === '/v2') {
      return { answer: admission.challenge() ?? jsonAnswer(200, {}) };
    }
    if (via?.isOwn(headers.via)) return { answer: loopAnswer() };
    const routed = route.route({ rawPath, rawQuery, host: headers.host });
    if (!routed.ok) return { answer: refusalAnswer(routed.refusal) };
    const { target, name, namespace } = routed;
    const refusal = admission.refusal({ right: 'pull', image: target.image, name, namespace, target });
    if (refusal) return { target, namespace, answer: refusal };
    const { peer } = admission;
    const isAtWork = peer !== undefined && peers?.outranks(peer, referenceOf(target)) === true;
    const work = () => answerTarget(routed, request, admission, client);
    const answer = via && headers.via !== undefined ? via.within(headers.via, work) : work();
    return { target, namespace, isAtWork, answer };
  };
}

/** `only-if-cached` (RFC 9111, section 5.2.1.7): a peer looks for what this replica itself has. */
function askedByPeer(target: Target, { 'cache-control': control }: RegistryRequest['headers']): Target {
  return control === 'only-if-cached'
    ? { ...target, byPeer: true, isStoredOnly: true }
    : { ...target, byPeer: true };
}

/** A replica that follows an event asks so: what this server took for fresh may be what has changed (RFC 9111, section 5.2.1.4). */
function wantsNow({ 'cache-control': control }: RegistryRequest['headers']): boolean {
  return control !== undefined && /(?:^|,)\s*no-cache\s*(?:,|$)/i.test(control);
}

/** 307 to a bucket, where the client may go there. */
async function answerElsewhere(
  redirects: Redirects,
  { image, digest }: BlobTarget,
  client: string,
  own: () => Promise<Answer>,
): Promise<Answer> {
  const url = await redirects.urlFor(image.name, digest, client);
  if (url === undefined) return own();
  return {
    status: 307,
    headers: {
      Location: url,
      'Docker-Content-Digest': digest,
      'Content-Length': 0,
      'Cache-Control': 'no-store',
    },
  };
}
