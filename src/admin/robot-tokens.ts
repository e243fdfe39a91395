/** Robot tokens as commands see them: `token create`, `token list`, `token revoke`. */
import { isReservedName, readHtpasswdFile } from '../access/accounts/htpasswd.ts';
import type { Robot, Robots } from '../access/accounts/robots.ts';
import { pushOnly } from '../access/pull-beside-push.ts';
import type { AccessConfig } from '../config/config.ts';
import type { ValueKind } from '../config/toml/value-kinds.ts';
import { age, pattern, right as rightKind } from '../config/toml/value-kinds.ts';
import { EntrepotError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';

export interface RobotTokens {
  /** Gives the token, which cannot be had again. Throws EntrepotError USAGE for a name that is taken, or for what is no right, glob or age. */
  create(wanted: WantedToken): Promise<MadeToken>;
  /** By name. */
  list(): Promise<readonly ListedToken[]>;
  /** The token stops at once. Throws EntrepotError USAGE where there is none of this name. */
  revoke(name: string): Promise<ListedToken>;
}

/** As the flags of the command are written. */
export interface WantedToken {
  readonly name: string;
  /** Globs over `registry/repository`. */
  readonly match: readonly string[];
  readonly may: readonly string[];
  /** Such as `90d`; undefined: it never expires. */
  readonly expires: string | undefined;
}

/** Times are ISO 8601. */
export interface ListedToken {
  readonly name: string;
  readonly match: readonly string[];
  readonly may: readonly string[];
  readonly created: string;
  readonly expires: string | null;
  readonly expired: boolean;
}

export interface MadeToken extends ListedToken {
  readonly token: string;
  /** What is probably not meant by it: that it may push and not pull. */
  readonly warning: string | null;
}

export interface RobotTokensDeps {
  readonly robots: Robots;
  readonly clock: Clock;
  /** The configuration in force. */
  readonly access: () => Pick<AccessConfig, 'anonymous' | 'rules' | 'htpasswd'>;
  /** A token was made or revoked: clients may have to be asked for credentials from now on. */
  readonly changed: () => Promise<void>;
}

/** Commands on the tokens of this process's data folder. */
export function createRobotTokens({ robots, clock, access, changed }: RobotTokensDeps): RobotTokens {
  const listed = ({ name, match, may, created, expires }: Robot): ListedToken => ({
    name,
    match,
    may,
    created: new Date(created).toISOString(),
    expires: expires === undefined ? null : new Date(expires).toISOString(),
    expired: expires !== undefined && expires <= clock.now(),
  });
  const named = (name: string) => robots.list().find((robot) => robot.name === name);

  return {
    async create({ name, match, may, expires }) {
      refuseTaken(name, access().htpasswd);
      const life = expires === undefined ? undefined : checked('--expires', age, expires);
      if (life === 0) throw new EntrepotError('USAGE', '--expires 0 makes a token that never works');
      const token = robots.create({
        name,
        match: atLeastOne('--match', match).map((glob) => checked('--match', pattern, glob)),
        may: [...new Set(atLeastOne('--may', may).map((one) => checked('--may', rightKind, one)))],
        expires: life === undefined ? undefined : clock.now() + life,
      });
      await changed();
      const made = named(name);
      if (!made) throw new Error('a token that was just made is there');
      const warning = made.may.includes('push') && pushOnly(name, made.match, access(), robots.list());
      return { ...listed(made), token, warning: warning || null };
    },
    list: async () => robots.list().map(listed),
    async revoke(name) {
      const robot = named(name);
      if (!robot || !robots.revoke(name)) {
        const names = robots.list().map((one) => one.name);
        const known = `the tokens are ${names.join(', ') || 'none'}`;
        throw new EntrepotError('USAGE', `there is no token ${JSON.stringify(name)}: ${known}`);
      }
      await changed();
      return listed(robot);
    },
  };
}

/** Two principals of one name would share their rules. */
function refuseTaken(name: string, htpasswd: string | undefined): void {
  if (isReservedName(name)) {
    throw new EntrepotError(
      'USAGE',
      `${JSON.stringify(name)} cannot be the name of a token: rules mean other clients by it`,
    );
  }
  if (htpasswd !== undefined && readHtpasswdFile(htpasswd).accounts.has(name)) {
    throw new EntrepotError(
      'USAGE',
      `there is an account ${JSON.stringify(name)} already: choose another name`,
      {
        file: htpasswd,
      },
    );
  }
}

function atLeastOne(flag: string, values: readonly string[]): readonly string[] {
  if (values.length > 0) return values;
  throw new EntrepotError('USAGE', `${flag} is missing: a token needs at least one`);
}

function checked<T>(flag: string, kind: ValueKind<T>, text: string): T {
  const value = kind.read(text);
  if (value !== undefined) return value;
  throw new EntrepotError('USAGE', `${flag} must be ${kind.expected}, not ${JSON.stringify(text)}`);
}
