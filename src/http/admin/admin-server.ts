/**
 * Listens on the admin socket in the data folder. Who may use it is who may write there: the socket has mode 0600, and there
 * is nothing else to prove.
 */
import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { type AdminApiDeps, createAdminApi } from './admin-api.ts';

export interface AdminServer {
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface AdminServerDeps extends AdminApiDeps {
  readonly log: AdminApiDeps['log'] & { warn(fields: object, message: string): void };
}

/** `path`: the caller holds the folder's lock, so a socket that is there already is a dead one. */
export function createAdminServer(deps: AdminServerDeps, { path }: { readonly path: string }): AdminServer {
  const { log } = deps;
  const api = createAdminApi(deps);
  const server = createServer(getRequestListener(api.fetch, { overrideGlobalObjects: false }));

  return {
    /** Never fails: a socket that cannot be made is no reason not to serve. */
    async start() {
      try {
        rmSync(path, { force: true });
        server.listen(path);
        await once(server, 'listening');
        chmodSync(path, 0o600);
        server.on('error', (err) => log.error({ err }, 'admin socket'));
      } catch (err) {
        server.close();
        log.warn({ file: path, err }, 'commands cannot reach this server: no admin socket');
      }
    },
    stop() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
