/**
 * A firewall's proxy, written on a bare socket: it opens tunnels (CONNECT) and does nothing else, for those who have the
 * password, to those whom its policy lets through.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Cleanup } from './temp-folder.ts';

export interface ConnectProxyOptions {
  readonly username?: string;
  readonly password?: string;
  /** `host:port` -> the port on loopback that it really is; undefined: forbidden. Default: the port itself. */
  readonly allows?: (target: string) => number | undefined;
}

export interface ConnectProxy {
  readonly port: number;
  /** `http://127.0.0.1:PORT`, without credentials. */
  readonly url: string;
  /** `CONNECT host:port 200`, in order. */
  readonly seen: readonly string[];
  /** Closes every tunnel, as a firewall does with idle ones. */
  cutTunnels(): void;
}

/** The end of the test ends it. */
export async function startConnectProxy(
  test: Cleanup,
  options: ConnectProxyOptions = {},
): Promise<ConnectProxy> {
  const { username, password, allows = (target) => Number(target.split(':').at(-1)) } = options;
  const expected =
    username === undefined
      ? undefined
      : `basic ${Buffer.from(`${username}:${password}`).toString('base64')}`.toLowerCase();
  const sockets = new Set<Socket>();
  const tunnels = new Set<Socket>();
  const seen: string[] = [];

  const server = createServer((client) => {
    keep(client);
    let head = '';
    client.on('data', function read(chunk: Buffer) {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      client.off('data', read);
      client.pause();
      answer(client, head.slice(0, end), head.slice(end + 4));
    });
  });

  function keep(socket: Socket): void {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  }

  function answer(client: Socket, head: string, early: string): void {
    const [line = '', ...headers] = head.split('\r\n');
    const [method, target = ''] = line.split(' ');
    const sent = headers.find((header) => /^proxy-authorization:/i.test(header));
    const port = method === 'CONNECT' ? allows(target) : undefined;
    const isKnown = expected === undefined || sent?.split(': ')[1]?.toLowerCase() === expected;
    const status = isKnown ? (port === undefined ? 403 : 200) : 407;
    seen.push(`${method} ${target} ${status}`);
    if (status !== 200) {
      const challenge = status === 407 ? 'Proxy-Authenticate: Basic realm="firewall"\r\n' : '';
      client.end(`HTTP/1.1 ${status} No\r\n${challenge}Content-Length: 0\r\n\r\n`);
      return;
    }
    const out = connect(port ?? 0, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      out.write(early, 'latin1');
      out.pipe(client).pipe(out);
    });
    keep(out);
    tunnels.add(client);
    client.on('close', () => {
      tunnels.delete(client);
      out.destroy();
    });
    out.on('close', () => client.destroy());
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.after(async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    seen,
    cutTunnels() {
      for (const tunnel of tunnels) tunnel.destroy();
    },
  };
}
