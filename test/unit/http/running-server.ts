/** The real server on a free port, before a Pull in memory; and clients that see exactly what came over the wire. */
import { once } from 'node:events';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { createServer, type Server, type ServerDeps } from '../../../src/http/server.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { createRouter } from '../../../src/routing/router.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { listing, routingWith } from '../routing/configuration.ts';
import { createMemoryPull, type MemoryPull } from './memory-pull.ts';
import { readOnly } from './read-only.ts';

export interface Running {
  readonly server: Server;
  readonly pull: MemoryPull;
  readonly port: number;
  readonly lines: Record<string, unknown>[];
  get(path: string, options?: { method?: string; headers?: Record<string, string> }): Promise<Got>;
  /** Sends `text` as it is and gives what came until the server closed, or until `until` was seen. */
  raw(text: string, until?: RegExp): Promise<string>;
}

export interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly isComplete: boolean;
}

export async function running(
  t: TestContext,
  options: Partial<Omit<ServerDeps, 'pull'>> & { maxConnections?: number; clientStall?: number } = {},
): Promise<Running> {
  const { maxConnections = 1000, clientStall = 60_000, ...deps } = options;
  const pull = createMemoryPull();
  const lines: Record<string, unknown>[] = [];
  const log = createLog({ level: 'debug', to: { write: (line: string) => lines.push(JSON.parse(line)) } });
  const route = createRouter(listing('docker.io', 'quay.io'), routingWith());
  const server = createServer(
    { pull, route, log, clock: systemClock, ...readOnly, ...deps },
    {
      listen: { host: '127.0.0.1', port: 0 },
      limits: { maxConnections, clientStall },
    },
  );
  const { port } = await server.start();
  t.after(() => server.stop(0));

  return {
    server,
    pull,
    port,
    lines,
    get: (path, { method = 'GET', headers = {} } = {}) => fetchRaw(port, path, method, headers),
    async raw(text, until) {
      const socket = connect(port, '127.0.0.1');
      let seen = '';
      socket.setEncoding('latin1');
      const done = Promise.withResolvers<void>();
      socket.on('data', (chunk: string) => {
        seen += chunk;
        if (until?.test(seen)) done.resolve();
      });
      socket.on('close', () => done.resolve());
      socket.on('error', () => done.resolve());
      await once(socket, 'connect');
      socket.write(text, 'latin1');
      await done.promise;
      socket.destroy();
      return seen;
    },
  };
}

function fetchRaw(port: number, path: string, method: string, headers: Record<string, string>): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: '127.0.0.1', port, path, method, headers, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', () => {});
        response.on('close', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
            isComplete: response.complete,
          }),
        );
      },
    );
    request.on('error', reject);
    request.end();
  });
}
