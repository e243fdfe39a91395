/**
 * Addresses on loopback from which nothing ever comes back.
 *
 *   accepts: true    the connection is made, the request is taken, no answer comes
 *   accepts: false   the connection is never made: the SYN is dropped, as by a firewall. A thread listens with the
 *                    smallest backlog and then sleeps, so that nobody accepts; two connections fill the queue, and Linux
 *                    drops every SYN after them.
 *
 * One that accepts can be healed: new connections then lead to a server, and nothing comes from the old ones still.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

export interface BlackHole {
  readonly port: number;
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly url: string;
  stop(): Promise<void>;
}

export interface SilentServer extends BlackHole {
  /** Resolves when somebody has connected. */
  readonly reached: Promise<void>;
  /** Connections that are open now. */
  connections(): number;
  /** From now on it is as if `port` of this machine listened here. */
  heal(port: number): void;
}

export interface DeafListener extends BlackHole {
  /** From now on connections are made, those too whose SYN was dropped: their next one is taken. */
  wake(): void;
}

export function startBlackHole(options?: { readonly accepts?: true }): Promise<SilentServer>;
export function startBlackHole(options: { readonly accepts: false }): Promise<DeafListener>;
export function startBlackHole(options?: { readonly accepts?: boolean }): Promise<BlackHole>;
export function startBlackHole(options: { readonly accepts?: boolean } = {}): Promise<BlackHole> {
  return options.accepts === false ? startDeafListener() : startSilentServer();
}

async function startSilentServer(): Promise<SilentServer> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  };
  const { promise: reached, resolve: isReached } = Promise.withResolvers<void>();
  let leadsTo: number | undefined;
  const server = createServer((socket) => {
    keep(socket);
    isReached();
    if (leadsTo === undefined) {
      socket.resume();
      return;
    }
    const there = connect(leadsTo, '127.0.0.1');
    keep(there);
    socket.pipe(there).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const hole = blackHole((server.address() as AddressInfo).port, async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return {
    ...hole,
    reached,
    connections: () => sockets.size,
    heal(port) {
      leadsTo = port;
    },
  };
}

const deafListener = `
  const { parentPort, workerData } = require('node:worker_threads');
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(workerData, 0, 0);
  });`;

async function startDeafListener(): Promise<DeafListener> {
  const isAwake = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(deafListener, { eval: true, workerData: isAwake });
  const [port] = (await once(worker, 'message')) as [number];
  const fillers = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
  await Promise.all(fillers.map((filler) => once(filler, 'connect')));
  for (const filler of fillers) filler.on('error', () => {});
  const hole = blackHole(port, async () => {
    for (const filler of fillers) filler.destroy();
    await worker.terminate();
  });
  return {
    ...hole,
    wake() {
      Atomics.store(isAwake, 0, 1);
      Atomics.notify(isAwake, 0);
    },
  };
}

function blackHole(port: number, stop: () => Promise<void>): BlackHole {
  const host = `127.0.0.1:${port}`;
  return { port, host, url: `http://${host}`, stop };
}
