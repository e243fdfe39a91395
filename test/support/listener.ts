/**
 * An HTTP or HTTPS server on loopback that can be killed and brought back on the same port, and that leaves nothing open
 * when it is closed.
 */
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

export interface TlsOptions {
  /** PEM. */
  readonly key: string;
  readonly cert: string;
  /** PEM of the CA whose client certificates are demanded. */
  readonly clientCa?: string;
}

export interface ListenerOptions {
  readonly tls?: TlsOptions | undefined;
  /** Default: a free one. */
  readonly port?: number | undefined;
  /** Default 127.0.0.1. */
  readonly address?: string | undefined;
}

export interface Listener {
  readonly port: number;
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Connections that are open now. */
  connections(): number;
  /** The most connections that were ever open at once. */
  peakConnections(): number;
  /** Connections that were ever accepted. */
  accepted(): number;
  /** The number of the connection that `socket` is: 1 for the first accepted one. */
  connectionOf(socket: Socket): number;
  /** Breaks every open connection; new ones are accepted. */
  dropConnections(): void;
  /** Breaks every connection and refuses new ones. */
  close(): Promise<void>;
  /** Listens again, on the same port. */
  reopen(): Promise<void>;
}

export async function listen(options: ListenerOptions, onRequest: RequestListener): Promise<Listener> {
  const address = options.address ?? '127.0.0.1';
  const sockets = new Set<Socket>();
  const numbers = new WeakMap<Socket, number>();
  let accepted = 0;
  let peak = 0;
  let server = await open(options.port ?? 0);
  const { port } = server.address() as AddressInfo;
  const host = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

  function open(wanted: number): Promise<Server> {
    const { tls } = options;
    const fresh = tls
      ? createTlsServer(
          {
            key: tls.key,
            cert: tls.cert,
            ...(tls.clientCa !== undefined && {
              ca: tls.clientCa,
              requestCert: true,
              rejectUnauthorized: true,
            }),
          },
          onRequest,
        )
      : createServer({ highWaterMark: 1 << 20 }, onRequest);
    fresh.keepAliveTimeout = 0;
    fresh.requestTimeout = 0;
    fresh.on('connection', (socket: Socket) => {
      sockets.add(socket);
      peak = Math.max(peak, sockets.size);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', ignoreReset);
      if (!tls) numbers.set(socket, ++accepted);
    });
    fresh.on('secureConnection', (socket: Socket) => {
      numbers.set(socket, ++accepted);
      socket.on('error', ignoreReset);
    });
    fresh.on('clientError', (_, socket) => socket.destroy());
    return new Promise((resolve, reject) => {
      fresh.once('error', reject);
      fresh.listen(wanted, address, () => {
        fresh.off('error', reject);
        resolve(fresh);
      });
    });
  }

  function dropConnections(): void {
    for (const socket of sockets) socket.destroy();
  }

  return {
    port,
    host,
    url: `${options.tls ? 'https' : 'http'}://${host}`,
    connections: () => sockets.size,
    peakConnections: () => peak,
    accepted: () => accepted,
    connectionOf: (socket) => numbers.get(socket) ?? 0,
    dropConnections,
    async close() {
      if (!server.listening) return;
      const closed = new Promise((resolve) => server.close(resolve));
      dropConnections();
      await closed;
    },
    async reopen() {
      if (!server.listening) server = await open(port);
    },
  };
}

/** A client that went away is no concern of a server made for tests. */
function ignoreReset(): void {}
