/**
 * What asking one endpoint gave. A closed union: code that takes an outcome switches over all of it.
 * `reason` is one sentence fragment that an operator can act on: `certificate expired on 2026-01-02`,
 * `HTTP 503`, `no credentials in /root/.docker/config.json for quay.io/team`. It never holds a secret.
 */
import type { CredentialSource } from '../config/credentials/auth-lookup.ts';
import type { EndpointRole } from './endpoint.ts';

export type Outcome<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | {
      readonly kind: 'rateLimited';
      readonly reason: string;
      /** Epoch ms. */
      readonly until: number;
      /** Of a peer: the endpoints that it asked. */
      readonly trail?: Trail;
    }
  | {
      readonly kind: FailureKind;
      readonly reason: string;
      /** Where the refused credentials are written, if the registry itself was not sent them: its token server refused them. */
      readonly credentials?: CredentialSource;
      /** Why no HTTP answer came; undefined if one came. */
      readonly fault?: FaultKind;
      /** Of a peer: the endpoints that it asked. */
      readonly trail?: Trail;
    };

/** `unavailable`: a peer answered, and none of the endpoints that it asked could. */
export type FailureKind =
  | 'notFound'
  | 'unauthorized'
  | 'denied'
  | 'unreachable'
  | 'unavailable'
  | 'invalid'
  | 'blocked';
export type OutcomeKind = 'ok' | 'rateLimited' | FailureKind;

/** Why no HTTP answer came. */
export type FaultKind =
  | 'refused'
  /** No connection in time. */
  | 'timeout'
  /** A connection, but no headers in time. */
  | 'unanswered'
  | 'dns'
  | 'tls'
  | 'notTls'
  | 'forbidden'
  /** The other side closed the connection, which may have been an old one. */
  | 'closed'
  | 'broken'
  | 'aborted'
  /** None of the connections that the configuration allows came free in time. */
  | 'busy';

/** One endpoint asked. */
export interface Attempt {
  /** endpointKey, such as `host/repository`. */
  readonly endpoint: string;
  readonly role: EndpointRole;
  readonly outcome: OutcomeKind | 'skipped' | 'overdue';
  readonly reason?: string;
  readonly ms: number;
  /** Epoch ms, with rateLimited. */
  readonly until?: number;
  /** Where the credentials that were used are written; never the secret. */
  readonly credentials?: CredentialSource;
  /** `host[:port]` that it sent the request to, if that was another host. */
  readonly redirectedTo?: string;
  /** Host of the peer that has asked it for us. */
  readonly by?: string;
}

/** The endpoints asked for one target, in order. */
export type Trail = readonly Attempt[];

/** The reason of a skipped endpoint where `upstream.offline` is set. */
export const offlineReason = 'upstream.offline is set';

/** Whether no endpoint was asked because `upstream.offline` is set. */
export function isOfflineTrail(trail: Trail): boolean {
  return trail.length > 0 && trail.every(({ reason }) => reason === offlineReason);
}
