/**
 * Access control of the configuration in force. A reload makes it anew; a request that has begun keeps the one that it began with.
 * The code that checks credentials is loaded with the first configuration that has some.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Access } from '../access/access.ts';
import { accessFiles } from '../access/access-files.ts';
import type { LoginFailure } from '../access/identify.ts';
import { createOpenAccess } from '../access/open-access.ts';
import type { AccessConfig } from '../config/config.ts';
import type { EntrepotError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../telemetry/log.ts';
import type { LiveRoutes } from './live-routes.ts';

export interface LiveAccess {
  /** In force now. A request reads it once. */
  readonly current: Access;
  /** Makes the access of a configuration; it is in force once the returned function is called. Rejects as `createAccess`. */
  prepare(config: AccessConfig): Promise<() => void>;
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

/** Rejects with EntrepotError CONFIG_INVALID, CONFIG_UNREADABLE, DATA_UNUSABLE for a file that cannot be used. */
export async function createLiveAccess(deps: LiveAccessDeps, first: AccessConfig): Promise<LiveAccess> {
  const { clock, log, loginFailed, routes, data } = deps;
  const fetchJson = (url: string) => routes.current.upstream.fetchJson(url);
  let current = await make(first);

  async function make(config: AccessConfig): Promise<Access> {
    if (!asksForCredentials(config, data)) return createOpenAccess(config);
    const { createAccess } = await import('../access/create-access.ts');
    return createAccess({ clock, fetchJson, onFailure, onProblem }, config, data);
  }

  function onFailure({ address, scheme, reason }: LoginFailure): void {
    loginFailed(scheme);
    log.warn({ event: 'access.loginFailed', client: address, scheme, reason }, 'a login failed');
  }

  function onProblem({ file, line, message }: EntrepotError): void {
    log.error({ event: 'access.fileUnusable', file, line }, message);
  }

  return {
    get current() {
      return current;
    },
    async prepare(config) {
      const next = await make(config);
      return () => {
        const last = current;
        current = next;
        // A login under way may still wait for its comparison: it fails, and the client tries again.
        void last.close();
      };
    },
    close: () => current.close(),
  };
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
