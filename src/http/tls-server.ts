/**
 * The listening side over TLS: HTTP/1.1 on node:https, TLS 1.2 at least, with a certificate that can be exchanged while it
 * listens. A handshake that fails concerns nobody but its client: a line at level debug. Plain HTTP gets one answer in plain
 * HTTP that says what is wrong, since most programs show its status at least.
 */
import type { ServerOptions } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Log } from '../telemetry/log.ts';

export interface ServerTls {
  /** PEM: the chain and its key. */
  readonly cert: string;
  readonly key: string;
  /** PEM of the CAs of which one must have signed a client's certificate; undefined: clients need none. */
  readonly clientCa: readonly string[] | undefined;
}

export interface TlsServer {
  readonly server: Server;
  /** For handshakes from now on; connections that stand stay as they are. Before the first call none succeeds. */
  secure(tls: ServerTls): void;
}

/** ms for a handshake: a client that does not speak may not hold its connection for longer. */
const handshakeTimeout = 10_000;

const plainHttpAnswer = [
  'HTTP/1.1 400 Bad Request',
  'Content-Type: text/plain; charset=utf-8',
  'Connection: close',
  '',
  'This port speaks HTTPS: write https:// for http://.\n',
].join('\r\n');

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
    // Node has refused such a client already; should it ever not, nobody else would.
    if (needsCertificate && !socket.authorized) socket.destroy();
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    const { code, message } = error;
    const reason = socket.authorizationError ?? code ?? message;
    log.debug({ client: socket.remoteAddress, reason: String(reason) }, 'a TLS handshake failed');
    // Below the TLS that has failed. It goes out at once, or not at all: the connection is being destroyed.
    if (code === 'ERR_SSL_HTTP_REQUEST') shaking.get(peerOf(socket))?.write(plainHttpAnswer, () => {});
  });

  return {
    server,
    secure({ cert, key, clientCa }) {
      needsCertificate = clientCa !== undefined;
      server.setSecureContext({ cert, key, minVersion: 'TLSv1.2', ...(clientCa && { ca: [...clientCa] }) });
      // What the constructor takes as an option, and asks for at each handshake.
      Object.assign(server, { requestCert: needsCertificate });
    },
  };
}

/** The same for a TLS connection and the TCP connection below it. */
export function peerOf({ localAddress, remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
