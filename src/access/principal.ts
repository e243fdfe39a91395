/**
 * The client of a request, as access control sees it. Every request has exactly one principal.
 *
 *   kind          proven by                                              name
 *   anonymous     nothing                                                anonymous
 *   account       Basic with a password of the htpasswd file             the account's
 *   robot         Basic with a robot token                               the robot's
 *   certificate   a client certificate that `tls.client_ca` vouches for  cn=COMMON-NAME
 *   oidc          a bearer token of `[[access.oidc]]`                    the claim that `name` names
 *   issuer        a bearer token of `[[access.issuer]]`                  the claim `sub`
 *   operator      the admin socket, for a session of the dashboard       operator
 *   peer          a signed mark, or a certificate of the cluster         peer HOST:PORT
 *
 * A bearer token that this server issued stands for the principal that asked for it.
 */

import type { Right } from '../config/config.ts';

export type PrincipalKind =
  | 'anonymous'
  | 'account'
  | 'robot'
  | 'certificate'
  | 'oidc'
  | 'issuer'
  | 'operator'
  | 'peer';

export interface Principal {
  readonly kind: PrincipalKind;
  /** For log lines. */
  readonly name: string;
  /** What `who` of a rule is compared with: the name, `group:NAME` for each group, the names in a certificate. */
  readonly names: readonly string[];
  /** Rights that come with the credentials themselves: of a robot, or of a token of another server. */
  readonly grants?: readonly Grant[];
  /** A bearer token never allows more than this, whatever the rules say. Undefined: no bound. */
  readonly scope?: readonly Grant[];
}

/** Rights on the images (`registry/repository`) that a glob matches, or on one image. */
export interface Grant {
  readonly match: string;
  /** `name`: `match` is one image name and no glob. */
  readonly form: 'glob' | 'name';
  readonly may: readonly Right[];
}

export const anonymous: Principal = { kind: 'anonymous', name: 'anonymous', names: ['anonymous'] };
