/**
 * The listening side: one node:http or node:https server, its limits, and a stop that lets answers finish. A request goes to
 * the distribution API or to the Hono app by its first path segment.
 */
import { randomUUID } from 'node:crypto';
import { createServer as createNodeServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import { EntrepotError } from '../errors.ts';
import { cutOff } from './cut-off.ts';
import { createHttpApp } from './http-app.ts';
import { createRegistryApi, isRegistryUrl, type RegistryApiDeps } from './registry-api.ts';
import { createTlsServer, peerOf, type ServerTls } from './tls-server.ts';

export interface ServerDeps extends Omit<RegistryApiDeps, 'newId'> {
  /** Why nothing can be cached; told by `/readyz`. */
  readonly problem?: (() => string | undefined) | undefined;
  readonly newId?: (() => string) | undefined;
}

export interface ServerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly limits: ServerLimits;
  /** Speaks TLS; plain HTTP where not given. */
  readonly tls?: boolean;
}

export interface ServerLimits {
  /** Client connections at once; those beyond are closed as they come. */
  readonly maxConnections: number;
  /**
   * ms in which a client must take a chunk of a blob (up to 1 MiB). Long: nginx reads a gigabyte ahead of a slow client and then
   * nothing until that client has it. A client whose machine is down is found by TCP itself.
   */
  readonly clientStall: number;
}

export interface Server {
  /** Resolves with the address once connections are accepted. Throws EntrepotError LISTEN_FAILED. */
  start(): Promise<{ readonly host: string; readonly port: number }>;
  /**
   * Says 503 on `/readyz` and goes on for `drainMs`; then accepts no more, lets answers under way finish for up to `graceMs`, cuts
   * the rest and tells how many.
   */
  stop(graceMs: number, drainMs?: number): Promise<{ readonly cut: number }>;
  /** For connections and answers that begin from now on. */
  limit(limits: ServerLimits): void;
  /** Before the start of one that speaks TLS, and whenever the certificate is to be another one. */
  secure(tls: ServerTls): void;
  /** For routes beside the distribution API. */
  readonly app: Hono;
}

const minutes = 60_000;
/** Connections that wait to be accepted, when a thousand machines come at once; the system's own bound (net.core.somaxconn) holds, too. */
const backlog = 65_535;
/** Longer than the idle time of load balancers in front, so that they close first. */
const keepAliveTimeout = 65_000;
const headersTimeout = 30_000;
/** For receiving a request, which here has no body. */
const requestTimeout = 1 * minutes;
/** 1024 ranges in one header take 20 KiB. */
const maxHeaderSize = 32 * 1024;
const socketBuffer = 1024 * 1024;

export function createServer(deps: ServerDeps, options: ServerOptions): Server {
  const { clock, metrics } = deps;
  const { host, port } = options.listen;
  const sockets = new Set<Socket>();
  /** The peers of those that have had an answer, and may wait for another request. */
  const answered = new Set<string>();
  const underWay = new Map<ServerResponse, Socket>();
  let isStopping = false;
  let { clientStall } = options.limits;

  const app = createHttpApp({
    metrics,
    isStopping: () => isStopping,
    problem: deps.problem ?? (() => undefined),
  });
  const registry = createRegistryApi(
    { ...deps, newId: deps.newId ?? shortId },
    { stallTimeout: () => clientStall },
  );
  const answerByApp = getRequestListener(app.fetch, { overrideGlobalObjects: false });

  const nodeOptions = {
    highWaterMark: socketBuffer,
    maxHeaderSize,
    keepAliveTimeout,
    headersTimeout,
    requestTimeout,
  };
  const tlsServer = options.tls ? createTlsServer(nodeOptions, deps) : undefined;
  const server = tlsServer?.server ?? createNodeServer(nodeOptions);
  // Node's own counts an answer as over that is only written to its end, and cuts what a slow client has not taken yet. Node calls
  // this when it stops, too.
  server.closeIdleConnections = () => {
    closeUnlessBusy((peer) => answered.has(peer));
  };
  limit(options.limits);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    const peer = peerOf(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      answered.delete(peer);
    });
  });
  server.on('request', answer);
  // Without this listener node would ask for the body of a push, only for it to be refused.
  server.on('checkContinue', answer);
  server.on('drop', () => {
    metrics?.connectionRefused();
    // Those that only wait for another request make room for the next client.
    server.closeIdleConnections();
  });

  function answer(incoming: IncomingMessage, outgoing: ServerResponse): void {
    toOriginForm(incoming);
    underWay.set(outgoing, incoming.socket);
    outgoing.once('close', () => {
      underWay.delete(outgoing);
      if (!incoming.socket.destroyed) answered.add(peerOf(incoming.socket));
      if (isStopping) server.closeIdleConnections();
    });
    if (isStopping) outgoing.setHeader('Connection', 'close');
    if (isRegistryUrl(incoming.url ?? '')) void registry.handle(incoming, outgoing);
    else void answerByApp(incoming, outgoing);
  }

  function start(): Promise<{ host: string; port: number }> {
    return new Promise((resolve, reject) => {
      const onError = (cause: NodeJS.ErrnoException) => reject(listenFailed(host, port, cause));
      server.once('error', onError);
      server.listen({ host, port, backlog }, () => {
        server.off('error', onError);
        server.on('error', (err) => deps.log.error({ err }, 'server'));
        const address = server.address();
        resolve({ host, port: typeof address === 'object' && address !== null ? address.port : port });
      });
    });
  }

  async function stop(graceMs: number, drainMs = 0): Promise<{ cut: number }> {
    isStopping = true;
    // What balances the load needs some seconds to see it.
    if (drainMs > 0 && server.listening) await new Promise<void>((end) => clock.after(drainMs, end));
    return new Promise((resolve) => {
      let cut = 0;
      const limit = clock.after(graceMs, () => {
        cut = underWay.size;
        for (const outgoing of underWay.keys()) cutOff(outgoing);
        server.closeAllConnections();
      });
      // Not running is no error here: then nothing is left to stop.
      server.close(() => {
        limit.cancel();
        resolve({ cut });
      });
      // Node counts a connection that has not sent anything yet as busy, and would wait for it.
      closeUnlessBusy(() => true);
    });
  }

  function closeUnlessBusy(which: (peer: string) => boolean): void {
    const busy = new Set([...underWay.values()].map(peerOf));
    for (const socket of sockets) {
      const peer = peerOf(socket);
      if (!busy.has(peer) && which(peer)) socket.destroy();
    }
  }

  function limit(limits: ServerLimits): void {
    server.maxConnections = limits.maxConnections;
    clientStall = limits.clientStall;
  }

  return { start, stop, limit, secure: (tls) => tlsServer?.secure(tls), app };
}

/** 48 random bits: short enough for a reason phrase, and unique in a log. */
function shortId(): string {
  return randomUUID().slice(-12);
}

/** A request line may name the host as it does to a proxy; then the Host header does not count (RFC 9112, section 3.2.2). */
function toOriginForm(incoming: IncomingMessage): void {
  const absolute = /^https?:\/\/([^/?#]+)(.*)$/i.exec(incoming.url ?? '');
  if (!absolute) return;
  const [, authority = '', rest = ''] = absolute;
  incoming.headers.host = authority.slice(authority.lastIndexOf('@') + 1);
  incoming.url = rest.startsWith('/') ? rest : `/${rest}`;
}

function listenFailed(host: string, port: number, cause: NodeJS.ErrnoException): EntrepotError {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new EntrepotError('LISTEN_FAILED', `cannot listen on ${address}: ${wayOut(cause, port)}`, { cause });
}

function wayOut(cause: NodeJS.ErrnoException, port: number): string {
  switch (cause.code) {
    case 'EADDRINUSE':
      return 'another process listens there; stop it, or choose another port with --listen HOST:PORT';
    case 'EACCES':
      return port < 1024
        ? 'ports below 1024 need the capability CAP_NET_BIND_SERVICE; choose a higher one with --listen HOST:PORT'
        : 'the system does not allow it; choose another address with --listen HOST:PORT';
    case 'EADDRNOTAVAIL':
      return 'this machine has no such address; choose one of its own, or 0.0.0.0 for all, with --listen HOST:PORT';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the name has no address; write an IP address in --listen HOST:PORT';
    default:
      return cause.message;
  }
}
