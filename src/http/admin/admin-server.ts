/**
 * Serves the admin API on a Unix socket in the data folder, and `GET /healthz` for the health check of a container. The mode
 * of the socket is 0600: only the user of the server can connect, and no further proof is asked for.
 */

import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import type { Administration } from '../../admin/administration.ts';
import type { Exports } from '../../airgap/export/export-request.ts';
import type { Imports } from '../../airgap/import/imports.ts';
import type { Backups } from '../../backup/backups.ts';
import type { Syncs } from '../../replication/syncs.ts';
import type { Log } from '../../telemetry/log.ts';
import { createAdminApi } from './admin-api.ts';

export interface AdminServer {
  /** Never throws: the server also works without a socket, and the log says so. */
  start(): Promise<void>;
  /** Closes all connections. Resolves when the socket is gone. */
  stop(): Promise<void>;
}

export interface AdminServerDeps {
  readonly administration: Administration & Syncs & Exports & Imports & Backups;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
}

/** `path`: of the socket. The caller holds the lock of the data folder, so a socket that exists has no server any more. */
export function createAdminServer(deps: AdminServerDeps, { path }: { readonly path: string }): AdminServer {
  const { administration, log } = deps;
  const app = new Hono();
  // Outside of the API, which logs each command: a container's health check asks every few seconds.
  app.get('/healthz', (c) => c.text('ok\n'));
  app.route('/', createAdminApi(administration, { log }));
  const server = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }));
  // An import sends hundreds of gigabytes in one request.
  server.requestTimeout = 0;

  return {
    async start() {
      try {
        rmSync(path, { force: true });
        server.listen(path);
        await once(server, 'listening');
        chmodSync(path, 0o600);
        server.on('error', (err) => log.error({ event: 'admin.socketFailed', err }, 'admin socket'));
      } catch (err) {
        server.close();
        log.warn(
          { event: 'admin.noSocket', file: path, err },
          'commands cannot reach this server: no admin socket',
        );
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
