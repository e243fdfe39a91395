/** Access control with credentials, put together. It is loaded only where `[access]` configures some. */
import { join } from 'node:path';
import type { AccessConfig } from '../config/config.ts';
import type { EntrepotError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Access, Challenge } from './access.ts';
import { accessFiles } from './access-files.ts';
import { createBcrypt } from './accounts/bcrypt.ts';
import { createPasswords } from './accounts/passwords.ts';
import { createRobots } from './accounts/robots.ts';
import { createBearerTokens } from './bearer-tokens.ts';
import { createFailedLogins } from './failed-logins.ts';
import { createIdentify, type LoginFailure, robotPrincipal } from './identify.ts';
import { anonymous } from './principal.ts';
import { createRights } from './rights.ts';
import { createTokenService } from './token-service.ts';
import { createDiscoveredKeys, type FetchJson, readIssuerKeys } from './tokens/issuer-keys.ts';
import { openKeyring, readKeyring } from './tokens/keyring.ts';
import { createOwnTokens } from './tokens/own-tokens.ts';
import { scopeText } from './tokens/scopes.ts';
import { createOidcIssuer, createTokenIssuer } from './tokens/trusted-issuer.ts';

export interface AccessDeps {
  readonly clock: Clock;
  readonly fetchJson: FetchJson;
  onFailure(failure: LoginFailure): void;
  /** A file that was right at the start cannot be used any more, or in part. */
  onProblem(problem: EntrepotError): void;
}

/** The audience of our tokens. A token server elsewhere has its own. */
const ownService = 'entrepot';

/** Throws EntrepotError CONFIG_INVALID, CONFIG_UNREADABLE, DATA_UNUSABLE for a file that cannot be used. */
export async function createAccess(deps: AccessDeps, options: AccessConfig, data: string): Promise<Access> {
  const { clock, fetchJson, onFailure, onProblem } = deps;
  const rights = createRights(options);
  const keys = options.tokenKey
    ? await readKeyring(options.tokenKey)
    : await openKeyring({ clock }, join(data, accessFiles.keys));
  const tokens = createOwnTokens({ clock, keys }, { service: ownService });
  const robots = createRobots({ clock }, join(data, accessFiles.robots));
  const bcrypt = createBcrypt();
  const passwords = options.htpasswd
    ? createPasswords({ clock, bcrypt, onProblem }, options.htpasswd)
    : undefined;
  const issuers = [
    ...options.oidc.map((oidc) =>
      createOidcIssuer({ clock, keys: createDiscoveredKeys({ clock, fetchJson }, oidc.issuer) }, oidc),
    ),
    ...(await Promise.all(
      options.issuers.map(async ({ keys: file, ...issuer }) =>
        createTokenIssuer({ clock, keys: await readIssuerKeys(file) }, issuer),
      ),
    )),
  ];
  const bearerTokens = createBearerTokens({ clock, tokens, issuers, passwords, robots });
  const identify = createIdentify({
    passwords,
    robots,
    bearerTokens,
    failedLogins: createFailedLogins({ clock }),
    onFailure,
  });
  const service = (options.realm && options.issuers[0]?.audience) ?? ownService;

  function challenge({ host = 'localhost', secure, scope, error }: Challenge): string {
    const realm = options.realm ?? `${secure ? 'https' : 'http'}://${host.replace(/["\\\s]/g, '')}/token`;
    const parameters = [`realm="${realm}"`, `service="${service}"`];
    if (scope) parameters.push(`scope="${scopeText(scope.name, scope.rights)}"`);
    if (error) parameters.push(`error="${error}"`);
    return `Bearer ${parameters.join(',')}`;
  }

  return {
    ...rights,
    isOpen: false,
    identify,
    tokens: options.realm
      ? undefined
      : createTokenService({ identify, allowance: rights.allowance, tokens, passwords, robots }, { service }),
    challenge,
    principalNamed(name) {
      if (name === anonymous.name) return anonymous;
      const robot = robots.find(name);
      if (robot) return robotPrincipal(robot);
      if (passwords?.account(name)) return { kind: 'account', name, names: [name] };
      if (name.includes('=')) return { kind: 'certificate', name, names: [name] };
      // A subject of an issuer is known to this server only when it comes.
      return options.oidc.length > 0 ? { kind: 'oidc', name, names: [name] } : undefined;
    },
    close: bcrypt.close,
  };
}
