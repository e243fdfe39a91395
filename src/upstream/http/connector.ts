/**
 * How a pool of undici gets a connection: the name's addresses, a TCP connection to one of them, TLS over it. Look-up and
 * connection have each a limit of their own, so that a slow DNS server takes nothing from the time to connect.
 */
import type { LookupAddress } from 'node:dns';
import { isIP, type OnReadOpts, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { buildConnector, errors } from 'undici';
import { addressKind } from '../../lib/address-kind.ts';
import type { Clock } from '../../lib/clock.ts';
import { type AddressScope, isWithinScope, tooNearReason } from './addresses.ts';
import { dial, keepAliveProbes } from './dial.ts';
import type { Lookups } from './lookups.ts';
import { ForbiddenAddressError } from './transport-fault.ts';

export interface ConnectorOptions {
  readonly lookups: Lookups;
  readonly clock: Clock;
  /** Milliseconds for the look-up. */
  readonly lookupTimeout: number;
  /** Milliseconds for TCP and TLS together. */
  readonly timeout: number;
  /** The nearest address that may be connected to. */
  readonly addressScope: AddressScope;
  /** Where connections read into. */
  readonly onread?: OnReadOpts | undefined;
  /** What tls.connect takes, for HTTPS. */
  readonly tls?: buildConnector.BuildOptions | undefined;
  /** Told the address of each connection; over TLS of a verified one: what DNS says besides proves nothing. */
  connected?(address: string): void;
}

export function createConnector(options: ConnectorOptions): buildConnector.connector {
  const { lookups, clock, timeout, addressScope } = options;
  // Its timer is ours: the time for TLS is what TCP has left. Node gives `onread` to no TLS over a socket that is there already.
  const connectTls = buildConnector({
    ...options.tls,
    ...{ timeout: 0, allowH2: false, noDelay: true, keepAliveInitialDelay: keepAliveProbes },
    ...(options.onread && { onread: options.onread }),
  });

  async function addressesOf(hostname: string): Promise<readonly LookupAddress[]> {
    const family = isIP(hostname);
    if (family !== 0) return [{ address: hostname, family }];
    const addresses = await lookups.addressesOf(hostname, options.lookupTimeout);
    // A name is refused as soon as one of its addresses is too near.
    const tooNear = addresses.find(({ address }) => !isWithinScope(addressKind(address), addressScope));
    if (tooNear) throw new ForbiddenAddressError(tooNearReason(hostname, addressKind(tooNear.address)));
    return addresses;
  }

  async function open(wanted: buildConnector.Options): Promise<Socket> {
    const addresses = await addressesOf(wanted.hostname);
    const abort = new AbortController();
    const timer = clock.after(timeout, () =>
      abort.abort(new errors.ConnectTimeoutError(`no connection within ${timeout} ms`)),
    );
    const isTls = wanted.protocol === 'https:';
    const port = Number(wanted.port) || (isTls ? 443 : 80);
    try {
      const handshakes = new Map<Socket, Promise<Socket>>();
      const begin = ({ address }: LookupAddress) => {
        const [socket, secured] = secure({ ...wanted, hostname: address });
        handshakes.set(socket, secured);
        return socket;
      };
      const dialled = await dial(addresses, {
        ...{ port, clock, signal: abort.signal, onread: options.onread },
        begin: isTls ? begin : undefined,
      }).catch((error: unknown) => {
        lookups.doubt(wanted.hostname);
        throw error;
      });
      const cut = () => dialled.destroy(abort.signal.reason as Error);
      abort.signal.addEventListener('abort', cut);
      const socket = (await handshakes.get(dialled)) ?? dialled;
      abort.signal.removeEventListener('abort', cut);
      if (socket.remoteAddress !== undefined) options.connected?.(socket.remoteAddress);
      return socket;
    } finally {
      timer.cancel();
    }
  }

  /**
   * A TLS connection, and when its handshake is over. Puts the end of the peer's certificate on an error: Node says that it
   * expired, but not when.
   */
  function secure(wanted: buildConnector.Options): [Socket, Promise<Socket>] {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>();
    // Of those that lose, nothing waits for the end.
    promise.catch(() => {});
    let validTo: string | undefined;
    const socket = connectTls(wanted, (error, secured) => {
      if (error) reject(Object.assign(error, { validTo }));
      else resolve(secured);
    }) as unknown as TLSSocket;
    socket.prependListener('secure', () => {
      validTo = socket.getPeerCertificate().valid_to;
    });
    return [socket, promise];
  }

  return (wanted, callback) => {
    open(wanted).then(
      (socket) => callback(null, socket),
      (error: Error) => callback(error, null),
    );
  };
}
