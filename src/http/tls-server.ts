/**
 * HTTP/1.1 over TLS on node:https, TLS 1.2 or later. The certificate can be replaced while the server listens. A failed
 * handshake concerns its client only: one line at level debug. A client that speaks plain HTTP gets one answer in plain HTTP
 * that says what is wrong, because most programs show at least its status.
 */
import type { ServerOptions } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Log } from '../telemetry/log.ts';

export interface ServerTls {
  /** PEM: the chain and its key. */
  readonly cert: string;
  readonly key: string;
  /** PEM of CAs, one of which must have signed a client's certificate. Undefined: clients need no certificate. */
  readonly clientCa: readonly string[] | undefined;
}

export interface TlsServer {
  readonly server: Server;
  /** Holds for later handshakes; existing connections stay. No handshake succeeds before the first call. */
  secure(tls: ServerTls): void;
}

/** ms for a handshake. A silent client holds its connection no longer. */
const handshakeTimeout = 10_000;

const plainHttpAnswer = [
  'HTTP/1.1 400 Bad Request',
  'Content-Type: text/plain; charset=utf-8',
  'Connection: close',
  '',
  'This port speaks HTTPS: write https:// for http://.\n',
].join('\r\n');

/** `options`: those of node:http. */
export function createTlsServer(options: ServerOptions, deps: { readonly log: Log }): TlsServer {
  const { log } = deps;
  const server = createServer({ ...options, handshakeTimeout });
  const shaking = new Map<string, Socket>();
  let needsCertificate = false;

  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket);
    shaking.set(peer, socket);
    socket.once('close', () => shaking.delete(peer));
  });
  server.on('secureConnection', (socket) => {
    shaking.delete(peerOf(socket));
    // Node has refused such a client already. This is the second check, in case it ever does not.
    if (needsCertificate && !socket.authorized) socket.destroy();
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    const { code, message } = error;
    const reason = socket.authorizationError ?? code ?? message;
    log.debug(
      { event: 'http.handshakeFailed', client: socket.remoteAddress, reason: String(reason) },
      'a TLS handshake failed',
    );
    // Written to the TCP connection below the failed TLS. It goes out at once or not at all: the connection is being destroyed.
    if (code === 'ERR_SSL_HTTP_REQUEST') shaking.get(peerOf(socket))?.write(plainHttpAnswer, () => {});
  });

  return {
    server,
    secure({ cert, key, clientCa }) {
      needsCertificate = clientCa !== undefined;
      server.setSecureContext({ cert, key, minVersion: 'TLSv1.2', ...(clientCa && { ca: [...clientCa] }) });
      // The constructor takes this as an option, and node reads it at each handshake.
      Object.assign(server, { requestCert: needsCertificate });
    },
  };
}

/** Identifies a connection. A TLS connection and the TCP connection below it have the same value. */
export function peerOf({ localAddress, remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
