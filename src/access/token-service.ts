/**
 * This server as its own token server (distribution docs, "Token Authentication Specification"): a client proves its principal
 * once and gets a token for some repositories. A scope is narrowed to what the principal may do, never widened and never refused as
 * a whole: the client finds out at its request.
 *
 * A token of a registry proves nothing here: else a token of five minutes could be renewed for ever. A token that was issued for
 * one of an OpenID issuer ends with that one.
 */
import type { Right } from '../config/config.ts';
import type { Access, Identified, IssuedTokens, TokenRequest, TokenService } from './access.ts';
import type { CredentialPrints } from './accounts/credential-prints.ts';
import type { Robots } from './accounts/robots.ts';
import { accountPrincipal, type Identify, type LoginFailure, robotPrincipal } from './identify.ts';
import type { Grant, Principal } from './principal.ts';
import type { OwnTokens } from './tokens/own-tokens.ts';
import { maxScopes, parseScopes, rightsOf } from './tokens/scopes.ts';

export interface TokenServiceDeps {
  readonly identify: Identify;
  readonly allowance: Access['allowance'];
  readonly tokens: OwnTokens;
  readonly prints: CredentialPrints;
  readonly robots: Robots;
  onFailure(failure: LoginFailure): void;
}

/** Characters: servers in front of this one often take 8 KiB of headers, and this one takes 32. */
const maxTokenLength = 24 * 1024;

type Refused = Exclude<Awaited<ReturnType<TokenService['issue']>>, { ok: true }>;

/** `service`: the audience of the tokens, as the challenge names it. */
export function createTokenService(
  deps: TokenServiceDeps,
  { service }: { readonly service: string },
): TokenService {
  const { identify, allowance, tokens, prints, robots, onFailure } = deps;

  async function refreshed(refreshToken: string, { address }: TokenRequest): Promise<Identified> {
    const known = await tokens.readRefresh(refreshToken);
    const print = known && prints.of(known.kind, known.name);
    if (!known || print === undefined || print !== known.print) {
      const message = 'the refresh token is unknown, or its password has changed: log in again';
      onFailure({ address, scheme: 'bearer', reason: message });
      return { ok: false, reason: 'credentials', message };
    }
    const robot = known.kind === 'robot' ? robots.find(known.name) : undefined;
    return { ok: true, principal: robot ? robotPrincipal(robot) : accountPrincipal(known.name) };
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
    async issue(request): Promise<IssuedTokens | Refused> {
      if (request.service !== undefined && request.service !== service) {
        return { ok: false, reason: 'request', message: `service must be "${service}"` };
      }
      const { refreshToken, offline } = request;
      const identified = await (refreshToken === undefined
        ? identify(request)
        : refreshed(refreshToken, request));
      if (!identified.ok) return identified;
      const { principal, expires } = identified;
      if (principal.scope !== undefined) {
        const message =
          'a token of a registry proves no login: send the name and password, or the refresh token';
        return { ok: false, reason: 'credentials', message };
      }
      const granted = narrowed(principal, request);
      if (!granted) {
        const message = `scope must have the form repository:NAME:ACTION,..., at most ${maxScopes} of them`;
        return { ok: false, reason: 'request', message };
      }
      const print = prints.of(principal.kind, principal.name);
      const { token, lifetime, issuedAt } = await tokens.access(principal, granted, {
        print,
        until: expires,
      });
      if (token.length > maxTokenLength) {
        return {
          ok: false,
          reason: 'request',
          message: 'a token for so many scopes is too long for a header',
        };
      }
      const fresh = async () =>
        offline && print !== undefined
          ? await tokens.refresh(principal.name, principal.kind, print)
          : undefined;
      return {
        ok: true,
        principal,
        granted,
        token,
        expiresIn: lifetime,
        issuedAt,
        refreshToken: refreshToken ?? (await fresh()),
      };
    },
  };
}
