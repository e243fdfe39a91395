/**
 * A forwarder on loopback that forgets connections as a NAT or a load balancer does: nothing passes over them any more, and
 * neither side is told. New connections are forwarded.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface ForgetfulNat {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Connections that were ever forwarded. */
  forwarded(): number;
  /** Forgets those that are open now. */
  forget(): void;
  stop(): Promise<void>;
}

/** Forwards to `port` of this machine. */
export async function startForgetfulNat(port: number): Promise<ForgetfulNat> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let forwarded = 0;
  const server = createServer((inner) => {
    const outer = connect(port, '127.0.0.1');
    forwarded += 1;
    const pair = [inner, outer] as const;
    pairs.add(pair);
    for (const socket of pair) socket.on('error', () => {});
    inner.pipe(outer).pipe(inner);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    forwarded: () => forwarded,
    forget() {
      for (const [inner, outer] of pairs) {
        inner.unpipe(outer);
        outer.unpipe(inner);
        inner.resume();
        outer.resume();
      }
    },
    async stop() {
      const closed = once(server, 'close');
      server.close();
      for (const pair of pairs) for (const socket of pair) socket.destroy();
      await closed;
    },
  };
}
