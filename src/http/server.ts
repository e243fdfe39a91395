/**
 * The listening server: node:http or node:https, its limits, and a stop that lets answers finish. A request goes to the
 * distribution API, to the events or to the Hono app, depending on its first path segment.
 */
import { randomUUID } from 'node:crypto';
import { createServer as createNodeServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import type { AdministeredEnv } from '../admin/administrator.ts';
import { EntrepotError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { apiPath } from './admin/admin-api.ts';
import { createClientAddress } from './client-address.ts';
import { cutOff } from './cut-off.ts';
import { isEventsUrl } from './events/event-path.ts';
import { createEventsApi } from './events/events-api.ts';
import type { EventsIn } from './events/sender-checks.ts';
import { createHttpApp, type HttpAppDeps } from './http-app.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { createRegistryApi, isRegistryUrl, type RegistryApiDeps } from './registry-api.ts';
import { createTlsServer, peerOf, type ServerTls } from './tls-server.ts';

export interface ServerDeps extends Omit<RegistryApiDeps, 'newId' | 'addressOf' | 'isSecure'> {
  /** Why nothing can be cached; `/readyz` says it. */
  readonly problem?: (() => string | undefined) | undefined;
  /** `upstream.offline` is set; `/readyz` says it, too. */
  readonly isOffline?: (() => boolean) | undefined;
  readonly newId?: (() => string) | undefined;
  /** What `/events/` takes; without it, the path is unknown. */
  readonly events?: EventsIn | undefined;
  /** As in `HttpAppDeps`. */
  readonly mounts?: HttpAppDeps['mounts'];
  readonly sessions?: HttpAppDeps['sessions'];
}

export interface ServerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly limits: ServerLimits;
  /** Networks of the proxies that tell the address of a client (`client-address.ts`). */
  readonly trustedProxies?: readonly string[];
  /** Serves TLS instead of plain HTTP. */
  readonly tls?: boolean;
}

export interface ServerLimits {
  /** Client connections at once; further ones are closed on arrival. */
  readonly maxConnections: number;
  /**
   * ms in which a client must take a chunk of a blob (up to 1 MiB). This is long, because nginx reads a gigabyte ahead of a
   * slow client and then nothing until that client has it. TCP itself detects a client machine that is down.
   */
  readonly clientStall: number;
}

export interface Server {
  /** Resolves with the address once connections are accepted. Throws EntrepotError LISTEN_FAILED. */
  start(): Promise<{ readonly host: string; readonly port: number }>;
  /**
   * Answers 503 on `/readyz` and serves on for `drainMs`. Then it accepts no more connections, lets running answers finish
   * for up to `graceMs`, and cuts the rest off. Resolves with the number of those.
   */
  stop(graceMs: number, drainMs?: number): Promise<{ readonly cut: number }>;
  /** Holds for connections and answers that begin from now on. */
  limit(limits: ServerLimits): void;
  /** Holds for requests that begin from now on. */
  trust(proxies: readonly string[]): void;
  /** Sets the certificate: before `start` of a TLS server, and at each renewal. */
  secure(tls: ServerTls): void;
  /** The routes beside the distribution API; further ones can be mounted. */
  readonly app: Hono<AdministeredEnv>;
}

const minutes = 60_000;
/** Connections that wait to be accepted when a thousand machines connect at once. net.core.somaxconn limits it, too. */
const backlog = 65_535;
/** ms. Longer than the idle time of load balancers in front, so that they close first. */
const keepAliveTimeout = 65_000;
const headersTimeout = 30_000;
/** ms for the body of a request that is not a push: node's own limit would end a long upload. */
const requestTimeout = 1 * minutes;
/** 1024 ranges in one header take 20 KiB. */
const maxHeaderSize = 32 * 1024;
const nodeOptions = {
  highWaterMark: 1024 * 1024,
  maxHeaderSize,
  keepAliveTimeout,
  headersTimeout,
  requestTimeout: 0,
};

/** Makes the server; `start` listens. */
export function createServer(deps: ServerDeps, options: ServerOptions): Server {
  const { clock, metrics } = deps;
  const { host, port } = options.listen;
  const sockets = new Set<Socket>();
  /** Peers of connections that have had an answer and may be idle now. */
  const answered = new Set<string>();
  const underWay = new Map<ServerResponse, Socket>();
  let isStopping = false;
  let { clientStall } = options.limits;
  const { addressOf, isSecure, isProxy, trust } = createClientAddress(options.trustedProxies ?? []);

  const app = createHttpApp({
    ...deps,
    addressOf,
    isSecure,
    isProxy,
    isStopping: () => isStopping,
    problem: deps.problem ?? (() => undefined),
    isOffline: deps.isOffline ?? (() => false),
  });
  const { events, newId = shortId } = deps;
  const apiOptions = { stallTimeout: () => clientStall };
  const registry = createRegistryApi({ ...deps, addressOf, isSecure, newId }, apiOptions);
  const eventsApi = events && createEventsApi({ ...deps, addressOf, events, newId }, apiOptions);
  const answerByApp = appListener(app);

  const tlsServer = options.tls ? createTlsServer(nodeOptions, deps) : undefined;
  const server = tlsServer?.server ?? createNodeServer(nodeOptions);
  // Node's own function takes a connection for idle as soon as the end of an answer is written, and so cuts off a slow client that
  // has not received all of it. Node also calls this function when it stops.
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
  const answerInTurn = oneAtATime(answer);
  server.on('request', answerInTurn);
  // Without this listener node answers 100 Continue to a push, and the client sends a body that is then refused.
  server.on('checkContinue', answerInTurn);
  server.on('drop', () => {
    metrics?.connectionRefused();
    // Idle connections make room for the next client.
    server.closeIdleConnections();
  });

  function answer(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const url = toOriginForm(incoming);
    underWay.set(outgoing, incoming.socket);
    outgoing.once('close', () => {
      underWay.delete(outgoing);
      if (!incoming.socket.destroyed) answered.add(peerOf(incoming.socket));
      if (isStopping) server.closeIdleConnections();
    });
    if (isStopping) outgoing.setHeader('Connection', 'close');
    if (!incoming.complete && !isUpload(incoming)) limitBody(incoming, outgoing, clock);
    if (isRegistryUrl(url)) void registry.handle(incoming, outgoing);
    else if (eventsApi && isEventsUrl(url)) void eventsApi.handle(incoming, outgoing);
    else answerByApp(incoming, outgoing);
  }

  function start(): Promise<{ host: string; port: number }> {
    return new Promise((resolve, reject) => {
      const onError = (cause: NodeJS.ErrnoException) => reject(listenFailed(host, port, cause));
      server.once('error', onError);
      server.listen({ host, port, backlog }, () => {
        server.off('error', onError);
        server.on('error', (err) => deps.log.error({ event: 'http.serverFailed', err }, 'server'));
        const address = server.address();
        resolve({ host, port: typeof address === 'object' && address !== null ? address.port : port });
      });
    });
  }

  async function stop(graceMs: number, drainMs = 0): Promise<{ cut: number }> {
    isStopping = true;
    // A load balancer needs some seconds to see the 503.
    if (drainMs > 0 && server.listening) await new Promise<void>((end) => clock.after(drainMs, end));
    return new Promise((resolve) => {
      let cut = 0;
      const limit = clock.after(graceMs, () => {
        cut = underWay.size;
        for (const outgoing of underWay.keys()) cutOff(outgoing);
        server.closeAllConnections();
      });
      // This callback gets an error if the server does not run: then there is nothing to stop.
      server.close(() => {
        limit.cancel();
        resolve({ cut });
      });
      // Node takes a connection that has not sent anything yet for busy, and would wait for it.
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

  return { start, stop, limit, trust, secure: (tls) => tlsServer?.secure(tls), app };
}

/**
 * Answers by the routes beside the distribution API. Bodies for them are small, so a client that asks before it sends one is told to go
 * on at once; a handler of the distribution API does it with its first read. A health check of HTTP/1.0 names no host.
 */
function appListener(
  app: Hono<AdministeredEnv>,
): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false, hostname: 'localhost' });
  return (incoming, outgoing) => {
    if (incoming.headers.expect !== undefined && incoming.httpVersion !== '1.0') outgoing.writeContinue();
    void listener(incoming, outgoing);
  };
}

/** A body that nothing reads must end as well: its connection is of no use before. */
function limitBody(incoming: IncomingMessage, outgoing: ServerResponse, clock: Clock): void {
  const limit = clock.after(requestTimeout, () => {
    if (!incoming.complete) incoming.destroy();
  });
  outgoing.once('close', () => limit.cancel());
}

/** A push, whose handler limits the body by the bytes that come (`push/request-body.ts`), or an archive of an administrator. */
function isUpload({ method = '', url = '' }: IncomingMessage): boolean {
  if (method === 'GET' || method === 'HEAD') return false;
  return isRegistryUrl(url) || url.startsWith(`${apiPath}/import?`);
}

/** 48 random bits as hexadecimal: short enough for a reason phrase, and unique in a log. */
function shortId(): string {
  return randomUUID().slice(-12);
}

/**
 * A request line may hold a whole URL, as for a proxy. Its host then replaces the Host header (RFC 9112, section 3.2.2). Gives what
 * comes after the host, which is the URL from then on.
 */
function toOriginForm(incoming: IncomingMessage): string {
  const { url = '' } = incoming;
  const absolute = /^https?:\/\/([^/?#]+)(.*)$/i.exec(url);
  if (!absolute) return url;
  const [, authority = '', rest = ''] = absolute;
  incoming.headers.host = authority.slice(authority.lastIndexOf('@') + 1);
  incoming.url = rest.startsWith('/') ? rest : `/${rest}`;
  return incoming.url;
}

function listenFailed(host: string, port: number, cause: NodeJS.ErrnoException): EntrepotError {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new EntrepotError('LISTEN_FAILED', `cannot listen on ${address}: ${remedyFor(cause, port)}`, {
    cause,
  });
}

function remedyFor(cause: NodeJS.ErrnoException, port: number): string {
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
