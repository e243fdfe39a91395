/**
 * From the credentials of a request to its principal.
 *
 *   Authorization: Basic    robot token, account of the htpasswd file, or a bearer token sent as the password
 *   Authorization: Bearer   a token of this server, of the trusted issuer that it claims to be of, or a robot token
 *   none                    the client certificate, else anonymous
 *
 * Credentials that are wrong are refused even where an anonymous client would be served: a client must learn that its
 * password has changed. Guesses of passwords are slowed; tokens cannot be guessed.
 */
import type { Credentials, Identified } from './access.ts';
import type { Passwords } from './accounts/passwords.ts';
import { type Robot, type Robots, robotTokenPrefix } from './accounts/robots.ts';
import type { BearerTokens } from './bearer-tokens.ts';
import { certificatePrincipal } from './certificate-names.ts';
import type { FailedLogins } from './failed-logins.ts';
import { anonymous, type Principal } from './principal.ts';

export interface IdentifyDeps {
  readonly passwords: Passwords | undefined;
  readonly robots: Robots;
  readonly bearerTokens: BearerTokens;
  readonly failedLogins: FailedLogins;
  /** A login failed: for metrics and the log. */
  onFailure(failure: LoginFailure): void;
}

export interface LoginFailure {
  /** IP address of the client. */
  readonly address: string;
  readonly scheme: 'basic' | 'bearer' | 'other';
  /** Shows nothing that the client sent. */
  readonly reason: string;
}

export type Identify = (asked: Credentials) => Identified | Promise<Identified>;

/** Never rejects for what a client sends. */
export function createIdentify(deps: IdentifyDeps): Identify {
  const { passwords, robots, bearerTokens, failedLogins, onFailure } = deps;

  async function basic(asked: Credentials, encoded: string): Promise<Identified> {
    const text = Buffer.from(encoded, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    if (colon < 0) return refuse(asked, 'basic', 'the Authorization header is not Basic with NAME:PASSWORD');
    const name = text.slice(0, colon);
    const password = text.slice(colon + 1);
    if (password.startsWith(robotTokenPrefix)) return robot(asked, password, name);
    const account = await passwords?.verify(name, password);
    if (account === 'busy') return { ok: false, reason: 'busy', message: 'too many password checks wait' };
    if (account) return { ok: true, principal: { kind: 'account', name, names: [name] } };
    return looksLikeJwt(password)
      ? bearer(asked, password)
      : failed(asked, 'no account has this name and password');
  }

  /** `name`: what was sent beside the token. Only its own is accepted, so that other systems log the right one. */
  function robot(asked: Credentials, token: string, name?: string): Identified | Promise<Identified> {
    const found = robots.verify(token);
    if (found && (name === undefined || name === found.name))
      return { ok: true, principal: robotPrincipal(found) };
    return failed(
      asked,
      'no token of this name and value is known: it may have been revoked, or have expired',
    );
  }

  async function bearer(asked: Credentials, token: string): Promise<Identified> {
    const found = await bearerTokens.verify(token, asked.resolve);
    return found.ok || found.reason !== 'credentials' ? found : refuse(asked, 'bearer', found.message);
  }

  function refuse(asked: Credentials, scheme: LoginFailure['scheme'], reason: string): Identified {
    onFailure({ address: asked.address, scheme, reason });
    return { ok: false, reason: 'credentials', message: reason };
  }

  /** A guess, as far as this server can tell. */
  async function failed(asked: Credentials, reason: string): Promise<Identified> {
    const refusal = refuse(asked, 'basic', reason);
    if (await failedLogins.failed(asked.address)) return refusal;
    const message = 'too many failed logins of this address wait for their answer';
    return { ok: false, reason: 'busy', message };
  }

  return (asked) => {
    const { authorization, certificate } = asked;
    if (authorization === undefined || authorization === '') {
      return { ok: true, principal: certificatePrincipal(certificate) ?? anonymous };
    }
    const space = authorization.indexOf(' ');
    const value = authorization.slice(space + 1).trim();
    switch (authorization.slice(0, Math.max(space, 0)).toLowerCase()) {
      case 'bearer': {
        if (value.startsWith(robotTokenPrefix)) return robot(asked, value);
        const principal = bearerTokens.remembered(value, asked.resolve);
        return principal ? { ok: true, principal } : bearer(asked, value);
      }
      case 'basic':
        return basic(asked, value);
      default:
        return refuse(asked, 'other', 'the Authorization header is neither Basic nor Bearer');
    }
  };
}

/** What a robot may do comes with it; rules may name it as well. */
export function robotPrincipal({ name, match, may }: Robot): Principal {
  const grants = match.map((glob) => ({ match: glob, form: 'glob' as const, may }));
  return { kind: 'robot', name, names: [name], grants };
}

function looksLikeJwt(text: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text);
}
