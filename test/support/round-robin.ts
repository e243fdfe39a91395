/** A load balancer that knows nothing: each request goes to the next server, over a connection of its own, with its body as it comes. */
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request as plainRequest,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Cleanup } from './temp-folder.ts';

export interface RoundRobin {
  readonly url: string;
  /** `METHOD PATH -> index STATUS`, of each answer so far. */
  readonly passed: readonly string[];
  /** The server that gets the next request, and the turn goes on from there. */
  next(index: number): void;
}

/** `urls`: of the servers. One that does not answer gives 502, as with a real one. */
export async function startRoundRobin(test: Cleanup, urls: readonly string[]): Promise<RoundRobin> {
  const passed: string[] = [];
  let turn = 0;

  function pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const index = turn % urls.length;
    turn += 1;
    const { method = '', url: path = '', headers, rawHeaders } = incoming;
    const said = (status: number) => passed.push(`${method} ${path} -> ${index} ${status}`);
    const asked = plainRequest(`${urls[index]}${path}`, { method, headers: { ...headers }, agent: false });
    asked.on('continue', () => outgoing.writeContinue());
    asked.on('response', (answer) => {
      said(answer.statusCode ?? 0);
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers as OutgoingHttpHeaders);
      answer.pipe(outgoing);
      answer.on('error', () => outgoing.destroy());
    });
    asked.on('error', () => {
      if (outgoing.headersSent) return void outgoing.destroy();
      said(502);
      outgoing.writeHead(502, { connection: 'close' }).end();
    });
    outgoing.on('close', () => asked.destroy());
    if (rawHeaders.some((name) => /^(?:content-length|transfer-encoding)$/i.test(name))) incoming.pipe(asked);
    else asked.end();
  }

  const server = createServer(pass).on('checkContinue', pass);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  test.after(() => {
    server.closeAllConnections();
    return new Promise<void>((done) => server.close(() => done()));
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    passed,
    next(index) {
      turn = index;
    },
  };
}
