/**
 * Which principal a request has, and what it is told where it lacks a right. Rights are decided in `access/`; this file makes answers
 * of the decisions:
 *
 *   the credentials are wrong            401 with a challenge
 *   too many checks wait                 429
 *   the issuer of a token is away        503
 *   no credentials, and more is needed   401 with a challenge for the scope
 *   a token for less                     401, insufficient_scope: the client gets another token
 *   a token of another server for less   the same: that server knows whether there is one for more
 *   a client certificate alone           the same as no credentials: the client may have a password as well
 *   a known principal may not pull       404, as for an image that does not exist
 *   a known principal may not write      403
 *
 * None of these answers is cached, here or by a client: the same image may exist for another principal.
 */
import type { IncomingMessage } from 'node:http';
import type { Access, Identified } from '../access/access.ts';
import type { Principal } from '../access/principal.ts';
import type { Right } from '../config/config.ts';
import type { ImageName, Target } from '../routing/target.ts';
import type { Answer } from './answers/answer.ts';
import { errorsAnswer, hiddenAnswer } from './answers/registry-error.ts';
import { type AroundRequest, type ClientFacts, clientFacts } from './client-facts.ts';

/** A request whose principal is known. */
export interface Admission {
  readonly principal: Principal;
  /** Id of the peer of the cluster that asks. */
  readonly peer?: string;
  /** The principal of the upload that a peer asks about, as a session knows it. */
  readonly owner?: string | undefined;
  /** The answer to a request that needs a right that its principal lacks; undefined where it has all of them. */
  refusal(wanted: Wanted): Answer | undefined;
  /** Whether the principal has this right on this image. */
  may(right: Right, image: ImageName): boolean;
  /** The same, without the rights that `anonymous` has. */
  mayItself(right: Right, image: ImageName): boolean;
  /**
   * The challenge that `/v2/` answers with; undefined where the request has credentials, or none are asked for. Clients send a password
   * only after it, so a client with a certificate gets it, too. It then gets a token for the names of its certificate, if it has
   * nothing else.
   */
  challenge(): Answer | undefined;
}

export interface Wanted {
  readonly right: Right;
  readonly image: ImageName;
  /** `<name>` as the client addressed it. */
  readonly name: string;
  /** `ns` of the query, if it chose the registry. */
  readonly namespace?: string | undefined;
  /** Of a read: its answer is then the same as for something that does not exist. */
  readonly target?: Target | undefined;
}

export type Admitted =
  | { readonly ok: true; readonly admission: Admission }
  | { readonly ok: false; readonly answer: Answer };

/** Determines the principal. Resolves for anything that a client sends. */
export function admit(
  access: Access,
  incoming: IncomingMessage,
  around: AroundRequest,
): Admitted | Promise<Admitted> {
  const client = clientFacts(incoming, around);
  const identified = access.identify(client);
  const respond = (found: Identified): Admitted => {
    if (!found.ok) return { ok: false, answer: refusedLogin(access, found, client) };
    return { ok: true, admission: admissionOf(access, found.principal, client) };
  };
  return identified instanceof Promise ? identified.then(respond) : respond(identified);
}

function admissionOf(access: Access, principal: Principal, client: ClientFacts): Admission {
  const { host, secure } = client;
  const isBare = client.authorization === undefined;
  return {
    principal,
    may: (right, image) => access.allowance(principal, right, image.name) !== undefined,
    mayItself: (right, image) => access.isOwn(principal, right, image.name),
    challenge() {
      if (access.isOpen || !isBare) return undefined;
      return challengeAnswer(
        access.challenge({ host, secure }),
        'log in, or go on without an account where that is allowed',
      );
    },
    refusal({ right, image, name, namespace, target }) {
      if (access.allowance(principal, right, image.name)) return undefined;
      const isNarrow = access.isOutOfScope(principal, right, image.name);
      if (!access.isOpen && (isBare || isNarrow || principal.kind === 'anonymous')) {
        const rights: readonly Right[] = right === 'push' ? ['pull', 'push'] : [right];
        const error = isBare ? undefined : ('insufficient_scope' as const);
        // A token request has no `ns`, so the scope must spell the registry that it chose.
        const scope = { name: namespace === undefined ? name : image.name, rights };
        const challenge = access.challenge({ host, secure, scope, error });
        const reason = isNarrow
          ? 'the token is for less than this'
          : principal.kind === 'certificate'
            ? `${principal.name} alone may not do this, so an account is needed`
            : 'an account is needed for this';
        return challengeAnswer(challenge, `${reason}: ${right} of ${image.name}`);
      }
      if (target) {
        const hidden = hiddenAnswer(target, `${principal.name} may not ${right} ${image.name}`);
        return { ...hidden, isDenied: true };
      }
      const why =
        principal.kind === 'robot'
          ? 'neither its token nor an [[access.rule]] allows it'
          : 'no [[access.rule]] allows it';
      const message = `${principal.name} may not ${right} ${image.name}: ${why}`;
      return { ...errorsAnswer(403, [{ code: 'DENIED', message }]), isDenied: true };
    },
  };
}

function refusedLogin(
  access: Access,
  { reason, message }: Exclude<Identified, { ok: true }>,
  { host, secure }: ClientFacts,
): Answer {
  switch (reason) {
    case 'credentials':
      return {
        ...challengeAnswer(access.challenge({ host, secure, error: 'invalid_token' }), message),
        isDenied: true,
      };
    case 'busy':
      return errorsAnswer(429, [{ code: 'TOOMANYREQUESTS', message }], { 'Retry-After': '5' });
    case 'unavailable':
      return errorsAnswer(503, [{ code: 'UNAVAILABLE', message }], { 'Retry-After': '30' });
  }
}

function challengeAnswer(challenge: string, message: string): Answer {
  return errorsAnswer(401, [{ code: 'UNAUTHORIZED', message }], { 'WWW-Authenticate': challenge });
}
