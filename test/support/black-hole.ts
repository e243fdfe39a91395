/**
 * Addresses on loopback from which nothing ever comes back.
 *
 *   accepts: true    the connection is made, the request is taken, no answer comes
 *   accepts: false   the connection is never made: the SYN is dropped, as by a firewall. A thread listens with the
 *                    smallest backlog and then sleeps, so that nobody accepts; two connections fill the queue, and Linux
 *                    drops every SYN after them.
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

export function startBlackHole(options: { readonly accepts?: boolean } = {}): Promise<BlackHole> {
  return options.accepts === false ? startDeafListener() : startSilentServer();
}

async function startSilentServer(): Promise<BlackHole> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return blackHole((server.address() as AddressInfo).port, async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
}

const deafListener = `
  const { parentPort } = require('node:worker_threads');
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });`;

async function startDeafListener(): Promise<BlackHole> {
  const worker = new Worker(deafListener, { eval: true });
  const [port] = (await once(worker, 'message')) as [number];
  const fillers = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
  await Promise.all(fillers.map((filler) => once(filler, 'connect')));
  for (const filler of fillers) filler.on('error', () => {});
  return blackHole(port, async () => {
    for (const filler of fillers) filler.destroy();
    await worker.terminate();
  });
}

function blackHole(port: number, stop: () => Promise<void>): BlackHole {
  const host = `127.0.0.1:${port}`;
  return { port, host, url: `http://${host}`, stop };
}
