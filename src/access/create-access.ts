/** Access control with credentials, put together. It is loaded only where `[access]` configures some. */
import { join } from 'node:path';
import type { AccessConfig } from '../config/config.ts';
import type { EntrepotError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Access } from './access.ts';
import { accessFiles } from './access-files.ts';
import { type Bcrypt, createBcrypt } from './accounts/bcrypt.ts';
import { createCredentialPrints } from './accounts/credential-prints.ts';
import { createPasswords } from './accounts/passwords.ts';
import { createRobots } from './accounts/robots.ts';
import { createBearerTokens } from './bearer-tokens.ts';
import { createChallenge } from './challenge.ts';
import { createFailedLogins, type FailedLogins } from './failed-logins.ts';
import { createIdentify, type LoginFailure } from './identify.ts';
import { createRights } from './rights.ts';
import { createTokenService } from './token-service.ts';
import { createDiscoveredKeys, type FetchJson, readIssuerKeys } from './tokens/issuer-keys.ts';
import { type Keyring, openKeyring, readKeyring } from './tokens/keyring.ts';
import { createOwnTokens } from './tokens/own-tokens.ts';
import { createOidcIssuer, createTokenIssuer, type TrustedIssuer } from './tokens/trusted-issuer.ts';

export interface AccessDeps {
  readonly clock: Clock;
  readonly fetchJson: FetchJson;
  onFailure(failure: LoginFailure): void;
  /** A file that was right at the start cannot be used any more, or in part. */
  onProblem(problem: EntrepotError): void;
}

/** What outlives a reload: a login under way, the count of failed ones, and the keys of tokens that are out. */
export interface SharedAccess {
  readonly bcrypt: Bcrypt;
  readonly failedLogins: FailedLogins;
  /** Keys of the data folder, opened once. Rejects with EntrepotError DATA_UNUSABLE. */
  keyring(): Promise<Keyring>;
}

/** The audience of our tokens. A token server elsewhere has its own. */
const ownService = 'entrepot';

/** For all configurations of one process. `data`: the data folder. */
export function createSharedAccess(
  deps: Pick<AccessDeps, 'clock' | 'onProblem'>,
  data: string,
): SharedAccess {
  let opened: Promise<Keyring> | undefined;
  return {
    bcrypt: createBcrypt(),
    failedLogins: createFailedLogins(deps),
    async keyring() {
      const opening = opened ?? openKeyring(deps, join(data, accessFiles.keys));
      const keyring = await opening;
      opened = opening;
      return keyring;
    },
  };
}

/** Throws EntrepotError CONFIG_INVALID, CONFIG_UNREADABLE, DATA_UNUSABLE for a file that cannot be used. */
export async function createAccess(
  deps: AccessDeps & { readonly shared: SharedAccess },
  options: AccessConfig,
  data: string,
): Promise<Access> {
  const { clock, onFailure, onProblem, shared } = deps;
  const rights = createRights(options);
  const keys = options.tokenKey ? await readKeyring(options.tokenKey) : await shared.keyring();
  const tokens = createOwnTokens({ clock, keys }, { service: ownService });
  const robots = createRobots({ clock, onProblem }, join(data, accessFiles.robots));
  robots.list();
  const passwords = options.htpasswd
    ? createPasswords({ clock, bcrypt: shared.bcrypt, onProblem }, options.htpasswd)
    : undefined;
  const prints = createCredentialPrints({ passwords, robots });
  const issuers = await createIssuers(deps, options);
  const bearerTokens = createBearerTokens({ clock, tokens, issuers, prints });
  const { failedLogins } = shared;
  const identify = createIdentify({ passwords, robots, bearerTokens, failedLogins, onFailure });
  const [foreign] = options.issuers;
  const isElsewhere = options.realm !== undefined && foreign !== undefined;
  const service = isElsewhere ? foreign.audience : ownService;
  const { allowance } = rights;

  return {
    ...rights,
    isOpen: false,
    identify,
    tokens: isElsewhere
      ? undefined
      : createTokenService({ identify, allowance, tokens, prints, robots, onFailure }, { service }),
    printOf: ({ kind, name }) => prints.of(kind, name),
    challenge: createChallenge({ realm: options.realm, service }),
    async prepare() {
      const problems = await Promise.all(
        issuers.map(async ({ issuer, prepare }) => {
          const problem = await prepare();
          return problem === undefined
            ? []
            : [`the keys of ${issuer} cannot be had, so its tokens cannot be checked yet: ${problem}`];
        }),
      );
      return problems.flat();
    },
  };
}

async function createIssuers(
  { clock, fetchJson }: Pick<AccessDeps, 'clock' | 'fetchJson'>,
  options: AccessConfig,
): Promise<readonly TrustedIssuer[]> {
  const others = options.issuers.map(async ({ keys, ...issuer }) =>
    createTokenIssuer({ clock, keys: await readIssuerKeys(keys) }, issuer),
  );
  const oidc = options.oidc.map((one) =>
    createOidcIssuer({ clock, keys: createDiscoveredKeys({ clock, fetchJson }, one.issuer) }, one),
  );
  return [...oidc, ...(await Promise.all(others))];
}
