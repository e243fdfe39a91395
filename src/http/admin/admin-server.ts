/**
 * Serves the admin API on a Unix socket in the data folder, and `GET /healthz` for the health check of a container. The mode
 * of the socket is 0600: only the user of the server can connect, and no further proof is asked for.
 */

import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import type { AdministeredEnv, Administrator } from '../../admin/administrator.ts';
import type { Log } from '../../telemetry/log.ts';
import { apiPath } from './admin-api.ts';

export interface AdminServer {
  /** Never throws: the server also works without a socket, and the log says so. */
  start(): Promise<void>;
  /** Where the public server listens: for addresses of the dashboard. */
  listening(at: ListenAddress): void;
  /** Closes all connections. Resolves when the socket is gone. */
  stop(): Promise<void>;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface AdminServerDeps {
  /** `createAdminApi`. */
  readonly api: Hono<AdministeredEnv>;
  /** Codes that make sessions of the dashboard. They are made here alone: the mode of the socket is the right to have one. */
  readonly codes?: { makeCode(): string };
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
}

const administrator: Administrator = { name: 'the admin socket', by: 'socket', mayChange: true };

/** `path`: of the socket. The caller holds the lock of the data folder, so a socket that exists has no server any more. */
export function createAdminServer(deps: AdminServerDeps, { path }: { readonly path: string }): AdminServer {
  const { api, codes, log } = deps;
  let address: ListenAddress | undefined;
  const app = new Hono<AdministeredEnv>();
  // Outside of the API, which logs each command: a container's health check asks every few seconds.
  app.get('/healthz', (c) => c.text('ok\n'));
  app.use(`${apiPath}/*`, async (c, next) => {
    c.set('administrator', administrator);
    await next();
  });
  if (codes) {
    app.post(`${apiPath}/dashboard-code`, (c) => {
      log.info({ event: 'admin.command', command: 'dashboard' }, 'command');
      return c.json({ code: codes.makeCode(), at: address ?? null });
    });
  }
  app.route(apiPath, api);
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
    listening(at) {
      address = at;
    },
    stop() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
