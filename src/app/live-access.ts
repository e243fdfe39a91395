/**
 * Access control of the configuration in force. A reload makes it anew; a request that has begun keeps the one that it began with.
 * The code that checks credentials is loaded with the first configuration that has some.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Access } from '../access/access.ts';
import { accessFiles } from '../access/access-files.ts';
import { createRobots } from '../access/accounts/robots.ts';
import type { SharedAccess } from '../access/create-access.ts';
import type { LoginFailure } from '../access/identify.ts';
import { createOpenAccess } from '../access/open-access.ts';
import { createRobotTokens, type RobotTokens } from '../admin/robot-tokens.ts';
import type { Postgres } from '../cache/shared/postgres/connection.ts';
import { createPostgresTokens } from '../cache/shared/postgres/postgres-tokens.ts';
import type { AccessConfig } from '../config/config.ts';
import type { EntrepotError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Releases } from '../lib/flow/releases.ts';
import type { Log } from '../telemetry/log.ts';
import type { LiveRoutes } from './live-routes.ts';
import { createSharedTokens } from './shared-tokens.ts';

export interface LiveAccess {
  /** In force now. A request reads it once. */
  readonly current: Access;
  /** Makes the access of a configuration; it is in force once the returned function is called. Rejects as `createAccess`. */
  prepare(config: AccessConfig): Promise<() => void>;
  /** Asks issuers for their keys, and logs those that do not answer. For a server: a command asks no host. */
  start(): void;
  /** The first robot token was made: from now on clients are asked for credentials. Rejects as `createAccess`. */
  robotsChanged(): Promise<void>;
  close(): Promise<void>;
}

export interface LiveAccessDeps {
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn' | 'error'>;
  /** Counts a failed login. */
  readonly loginFailed: (scheme: LoginFailure['scheme']) => void;
  /** Keys of issuers are asked for by the configuration in force. */
  readonly routes: LiveRoutes;
  /** The data folder. */
  readonly data: string;
}

/** ms between two log lines about the same problem of a file, which each request meets. */
const problemRest = 60_000;

/** Rejects with EntrepotError CONFIG_INVALID, CONFIG_UNREADABLE, DATA_UNUSABLE for a file that cannot be used. */
export async function createLiveAccess(deps: LiveAccessDeps, first: AccessConfig): Promise<LiveAccess> {
  const { clock, log, loginFailed, routes, data } = deps;
  const fetchJson = (url: string) => routes.current.upstream.fetchJson(url);
  const lastTold = new Map<string, number>();
  let shared: SharedAccess | undefined;
  let config = first;
  let isStarted = false;
  let current = await make(first);

  async function make(wanted: AccessConfig): Promise<Access> {
    if (!asksForCredentials(wanted, data)) return createOpenAccess(wanted);
    const { createAccess, createSharedAccess } = await import('../access/create-access.ts');
    shared ??= createSharedAccess({ clock, onProblem }, data);
    return createAccess({ clock, fetchJson, onFailure, onProblem, shared }, wanted, data);
  }

  async function askIssuers(access: Access): Promise<void> {
    for (const problem of await access.prepare()) log.warn({ event: 'access.issuerUnavailable' }, problem);
  }

  function onFailure({ address, scheme, reason }: LoginFailure): void {
    loginFailed(scheme);
    log.warn({ event: 'access.loginFailed', client: address, scheme, reason }, 'a login failed');
  }

  function onProblem({ file, line, message }: EntrepotError): void {
    const now = clock.monotonic();
    const key = `${file}:${line}:${message}`;
    if (now - (lastTold.get(key) ?? Number.NEGATIVE_INFINITY) < problemRest) return;
    if (lastTold.size > 1000) lastTold.clear();
    lastTold.set(key, now);
    log.error({ event: 'access.fileUnusable', file, line }, message);
  }

  function put(next: Access): void {
    current = next;
    if (isStarted) void askIssuers(next);
  }

  async function robotsChanged(): Promise<void> {
    while (current.isOpen && asksForCredentials(config, data)) {
      const wanted = config;
      const next = await make(wanted);
      // A reload may have put another one in force.
      if (wanted === config) put(next);
    }
  }

  return {
    get current() {
      return current;
    },
    async prepare(wanted) {
      const next = await make(wanted);
      return () => {
        config = wanted;
        put(next);
        // The first robot token may have been made since.
        robotsChanged().catch((err: unknown) =>
          log.error(
            { event: 'access.fileUnusable', err },
            'the first robot token does not count yet: reload',
          ),
        );
      };
    },
    start() {
      isStarted = true;
      void askIssuers(current);
    },
    robotsChanged,
    close: async () => shared?.bcrypt.close(),
  };
}

export interface TokenAdminDeps extends Pick<LiveAccessDeps, 'clock' | 'data' | 'routes' | 'log'> {
  readonly access: LiveAccess;
  /** Where replicas share their tokens. */
  readonly postgres: Postgres | undefined;
  readonly releases: Releases;
}

/** The commands on robot tokens. Their errors are for the command; `access` tells of those that requests meet. */
export function createTokenAdmin(deps: TokenAdminDeps): RobotTokens {
  const { clock, data, log, access, routes, postgres, releases } = deps;
  const robots = createRobots({ clock, onProblem: () => {} }, join(data, accessFiles.robots));
  const heard = access.robotsChanged;
  const store = postgres && createPostgresTokens(postgres);
  const shared = store && createSharedTokens({ store, robots, clock, log, heard });
  releases.add(shared, (tokens) => tokens?.stop());
  return createRobotTokens({
    robots,
    clock,
    access: () => routes.current.settings.access,
    async changed() {
      await access.robotsChanged();
      await shared?.tell();
    },
  });
}

/** Whether a client could have credentials: then it is asked for them. */
function asksForCredentials({ htpasswd, oidc, issuers }: AccessConfig, data: string): boolean {
  return (
    htpasswd !== undefined ||
    oidc.length > 0 ||
    issuers.length > 0 ||
    existsSync(join(data, accessFiles.robots))
  );
}
