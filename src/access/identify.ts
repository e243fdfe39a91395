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
import { maxPasswordBytes, type Passwords } from './accounts/passwords.ts';
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

const busyMessage = 'too many logins are being checked';
const unknownAccount = 'no account has this name and password';

/** Never rejects for what a client sends. */
export function createIdentify(deps: IdentifyDeps): Identify {
  const { passwords, robots, bearerTokens, failedLogins, onFailure } = deps;

  function basic(asked: Credentials, encoded: string): Identified | Promise<Identified> {
    const text = Buffer.from(encoded, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    if (colon < 0) return refuse(asked, 'basic', 'the Authorization header is not Basic with NAME:PASSWORD');
    const name = text.slice(0, colon);
    const password = text.slice(colon + 1);
    if (password.startsWith(robotTokenPrefix)) return robot(asked, 'basic', { token: password, name });
    if (isJwt(password)) return bearer(asked, password);
    return passwords?.remembers(name, password)
      ? { ok: true, principal: accountPrincipal(name) }
      : checked(asked, name, password);
  }

  async function checked(asked: Credentials, name: string, password: string): Promise<Identified> {
    const check = failedLogins.begin(asked.address);
    if (!check) return { ok: false, reason: 'busy', message: busyMessage };
    let found: Awaited<ReturnType<Passwords['verify']>> = false;
    try {
      found = passwords ? await passwords.verify(name, password) : false;
    } catch {
      // The thread that compares has died; the next check starts another one.
      found = 'busy';
    }
    if (found === false) {
      const refusal = refuse(asked, 'basic', unknownAccount);
      await check.failed();
      return refusal;
    }
    check.passed();
    if (found === 'busy') return { ok: false, reason: 'busy', message: busyMessage };
    return { ok: true, principal: accountPrincipal(name) };
  }

  /** `name`: what was sent beside the token. Only its own is accepted, so that other systems log the right one. */
  function robot(
    asked: Credentials,
    scheme: LoginFailure['scheme'],
    { token, name }: { readonly token: string; readonly name?: string },
  ): Identified {
    const found = robots.verify(token);
    if (found && (name === undefined || name === found.name))
      return { ok: true, principal: robotPrincipal(found) };
    const reason = 'no token of this name and value is known: it may have been revoked, or have expired';
    return refuse(asked, scheme, reason);
  }

  async function bearer(asked: Credentials, token: string): Promise<Identified> {
    const found = await bearerTokens.verify(token, asked.resolve);
    return found.ok || found.reason !== 'credentials' ? found : refuse(asked, 'bearer', found.message);
  }

  function refuse(asked: Credentials, scheme: LoginFailure['scheme'], reason: string): Identified {
    onFailure({ address: asked.address, scheme, reason });
    return { ok: false, reason: 'credentials', message: reason };
  }

  return (asked) => {
    const { authorization, certificate } = asked;
    if (authorization === undefined || authorization === '') {
      return { ok: true, principal: certificatePrincipal(certificate) ?? anonymous };
    }
    const space = authorization.indexOf(' ');
    const value = authorization.slice(space + 1).trim();
    switch (authorization.slice(0, Math.max(space, 0)).toLowerCase()) {
      case 'bearer':
        if (value.startsWith(robotTokenPrefix)) return robot(asked, 'bearer', { token: value });
        return bearerTokens.remembered(value, asked.resolve) ?? bearer(asked, value);
      case 'basic':
        return basic(asked, value);
      default:
        return refuse(asked, 'other', 'the Authorization header is neither Basic nor Bearer');
    }
  };
}

/** An account of the htpasswd file. */
export function accountPrincipal(name: string): Principal {
  return { kind: 'account', name, names: [name] };
}

/** What a robot may do comes with it; rules may name it as well. */
export function robotPrincipal({ name, match, may }: Robot): Principal {
  const grants = match.map((glob) => ({ match: glob, form: 'glob' as const, may }));
  return { kind: 'robot', name, names: [name], grants };
}

/** A JWT sent as a password. It is longer than a password can be, so no password is taken for one and escapes the waits. */
function isJwt(text: string): boolean {
  return text.length > maxPasswordBytes && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text);
}
