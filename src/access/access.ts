/**
 * Access control as the rest of the program sees it: which principal a request has, and what it may do. This is the only place
 * where rights are decided.
 *
 *   request -> identify -> principal -> allowance(principal, right, image)
 *                  \-> refused: the credentials are wrong, or cannot be checked now
 *
 * Where nothing is configured, access is *open*: credentials are not looked at, and `anonymous` may do what it may.
 */
import type { Right } from '../config/config.ts';
import type { Grant, Principal } from './principal.ts';
import type { Allowance } from './rights.ts';

export interface Access {
  /** No credentials exist: whatever a client sends as Authorization is ignored. */
  readonly isOpen: boolean;
  /** Never rejects for what a client sends. */
  identify(asked: Credentials): Identified | Promise<Identified>;
  /** What allows it; undefined where nothing does. `image`: `registry/repository`, undefined for `administer`. */
  allowance(principal: Principal, right: Right, image: string | undefined): Allowance | undefined;
  /** Whether more than what `anonymous` may do allows it. */
  isOwn(principal: Principal, right: Right, image: string): boolean;
  /** Whether the account itself may, but its token was issued for less. */
  isOutOfScope(principal: Principal, right: Right, image: string | undefined): boolean;
  /** Docker's token flow; undefined where tokens come from another server, or access is open. */
  readonly tokens: TokenService | undefined;
  /** A print of the secret that an account or a robot has now; undefined where this server keeps none. */
  printOf(principal: Principal): string | undefined;
  /** Value of WWW-Authenticate. `host`: the Host header. */
  challenge(wanted: Challenge): string;
  /** Gets the keys of issuers before the first token comes. Gives a sentence for each issuer that cannot be asked now. */
  prepare(): Promise<readonly string[]>;
}

export interface Credentials {
  /** The Authorization header. */
  readonly authorization: string | undefined;
  /** Names in a verified client certificate, such as `cn=node-1`, `dns=node-1.corp`. */
  readonly certificate?: readonly string[] | undefined;
  /** IP address of the client. */
  readonly address: string;
  /** The image that a repository name, as a client addresses it, means here. */
  resolve(name: string): string | undefined;
}

export type Identified =
  /** `expires`: epoch ms, of a bearer token. */
  | { readonly ok: true; readonly principal: Principal; readonly expires?: number | undefined }
  /**
   * `credentials`: they are wrong. `busy`: too many checks wait. `unavailable`: the issuer of the token cannot be asked.
   * `message` shows no part of what the client sent.
   */
  | { readonly ok: false; readonly reason: 'credentials' | 'busy' | 'unavailable'; readonly message: string };

export interface Challenge {
  /** The Host header: the realm is on the same server unless `access.realm` says otherwise. */
  readonly host: string | undefined;
  readonly secure: boolean;
  /** The repository as the client may name it in a scope, and the rights that are wanted. */
  readonly scope?: { readonly name: string; readonly rights: readonly Right[] } | undefined;
  /** RFC 6750, section 3.1. */
  readonly error?: 'invalid_token' | 'insufficient_scope' | undefined;
}

export interface TokenRequest extends Credentials {
  /** Values of the `scope` parameters. */
  readonly scopes: readonly string[];
  readonly service: string | undefined;
  /** A refresh token is wanted (`offline_token=true`, `access_type=offline`). */
  readonly offline: boolean;
  /** POST with `grant_type=refresh_token`. */
  readonly refreshToken?: string | undefined;
}

export interface TokenService {
  /** A token for the scopes, narrowed to what the principal may do. An unknown repository narrows to nothing. */
  issue(
    request: TokenRequest,
  ): Promise<
    | IssuedTokens
    | Exclude<Identified, { ok: true }>
    | { readonly ok: false; readonly reason: 'request'; readonly message: string }
  >;
}

/** Fields of the answer (distribution docs, "Token Authentication Specification"). */
export interface IssuedTokens {
  readonly ok: true;
  readonly principal: Principal;
  /** What of the scopes the principal may do. */
  readonly granted: readonly Grant[];
  readonly token: string;
  /** Seconds. */
  readonly expiresIn: number;
  /** Epoch ms. */
  readonly issuedAt: number;
  readonly refreshToken: string | undefined;
}
