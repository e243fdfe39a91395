/**
 * This server as its own token server (distribution docs, "Token Authentication Specification"): a client proves its principal
 * once and gets a token for some repositories. A scope is narrowed to what the principal may do, never widened and never refused as
 * a whole: the client finds out at its request.
 */
import { createHash } from 'node:crypto';
import type { Right } from '../config/config.ts';
import type { Access, Identified, IssuedTokens, TokenRequest, TokenService } from './access.ts';
import type { Passwords } from './accounts/passwords.ts';
import type { Robots } from './accounts/robots.ts';
import { type Identify, robotPrincipal } from './identify.ts';
import type { Grant, Principal, PrincipalKind } from './principal.ts';
import type { OwnTokens } from './tokens/own-tokens.ts';
import { parseScopes, rightsOf } from './tokens/scopes.ts';

export interface TokenServiceDeps {
  readonly identify: Identify;
  readonly allowance: Access['allowance'];
  readonly tokens: OwnTokens;
  readonly passwords: Passwords | undefined;
  readonly robots: Robots;
}

/** `service`: the audience of the tokens, as the challenge names it. */
export function createTokenService(
  deps: TokenServiceDeps,
  { service }: { readonly service: string },
): TokenService {
  const { identify, allowance, tokens, passwords, robots } = deps;

  /** Changes with the password, and with a robot that is made anew. */
  function printOf(kind: PrincipalKind, name: string): string | undefined {
    const secret =
      kind === 'account' ? passwords?.account(name)?.hash : robots.find(name)?.created.toString();
    if (secret === undefined || (kind !== 'account' && kind !== 'robot')) return undefined;
    return createHash('sha256').update(`${kind}\0${name}\0${secret}`).digest('base64url');
  }

  async function refreshed(refreshToken: string): Promise<Identified> {
    const known = await tokens.readRefresh(refreshToken);
    const print = known && printOf(known.kind, known.name);
    if (!known || print === undefined || print !== known.print) {
      return {
        ok: false,
        reason: 'credentials',
        message: 'the refresh token is unknown, or its password has changed: log in again',
      };
    }
    const { name } = known;
    const robot = known.kind === 'robot' ? robots.find(name) : undefined;
    return { ok: true, principal: robot ? robotPrincipal(robot) : { kind: known.kind, name, names: [name] } };
  }

  function narrowed(principal: Principal, request: TokenRequest): readonly Grant[] | undefined {
    const scopes = parseScopes(request.scopes);
    return scopes?.flatMap(({ type, name, actions }): Grant[] => {
      if (type !== 'repository') return [];
      const image = request.resolve(name);
      if (image === undefined) return [];
      const wanted = new Set<Right>(actions.flatMap(rightsOf));
      const may = [...wanted].filter((right) => allowance(principal, right, image));
      return may.length === 0 ? [] : [{ match: image, form: 'name', may }];
    });
  }

  return {
    async issue(request): ReturnType<TokenService['issue']> {
      if (request.service !== undefined && request.service !== service) {
        return { ok: false, reason: 'request', message: `service must be "${service}"` };
      }
      const { refreshToken } = request;
      const identified = await (refreshToken === undefined ? identify(request) : refreshed(refreshToken));
      if (!identified.ok) return identified;
      const { principal } = identified;
      const scope = narrowed(principal, request);
      if (!scope) {
        return {
          ok: false,
          reason: 'request',
          message: 'scope must have the form repository:NAME:ACTION,..., at most 200 of them',
        };
      }
      const { token, lifetime, issuedAt } = await tokens.access(principal, scope);
      const print = request.offline ? printOf(principal.kind, principal.name) : undefined;
      const issued: IssuedTokens = {
        ok: true,
        principal,
        token,
        expiresIn: lifetime,
        issuedAt,
        refreshToken:
          refreshToken ??
          (print === undefined ? undefined : await tokens.refresh(principal.name, principal.kind, print)),
      };
      return issued;
    },
  };
}
