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
import { dial } from './dial.ts';
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
  /** Gets the address of each connection, over TLS of a verified one. The other addresses of the name prove nothing. */
  connected?(address: string): void;
}

/** ms between probes of a quiet connection: well below the time after which NATs and load balancers forget it. */
const keepAliveProbes = 15_000;

/** A connection that has been begun, and when it is ready for use: connected, and over TLS with the handshake done. */
interface Begun {
  readonly socket: Socket;
  readonly ready: Promise<Socket>;
}

/**
 * The connector of one pool. It fails with ForbiddenAddressError for an address outside `addressScope`, with LookupTimeoutError
 * or the resolver's error, with undici's ConnectTimeoutError after `timeout`, or with the error of the socket.
 */
export function createConnector(options: ConnectorOptions): buildConnector.connector {
  const { lookups, clock, timeout } = options;
  // Its timer is off: the time for TLS is what TCP has left. It gets an address at a time, so it never looks a name up.
  const connect = buildConnector({
    ...options.tls,
    timeout: 0,
    allowH2: false,
    noDelay: true,
    keepAliveInitialDelay: keepAliveProbes,
    ...(options.onread && { onread: options.onread }),
  });

  /** Puts the end of the peer's certificate on an error: Node says that it expired, but not when. */
  function begin(wanted: buildConnector.Options): Begun {
    const { promise: ready, resolve, reject } = Promise.withResolvers<Socket>();
    // Nothing waits for the connections that lose.
    ready.catch(() => {});
    let validTo: string | undefined;
    const socket = connect(wanted, (error, connected) => {
      if (error) reject(Object.assign(error, { validTo }));
      else resolve(connected);
    }) as unknown as Socket;
    socket.prependListener('secure', () => {
      validTo = (socket as TLSSocket).getPeerCertificate().valid_to;
    });
    return { socket, ready };
  }

  async function open(wanted: buildConnector.Options): Promise<Socket> {
    const addresses = await addressesOf(wanted.hostname, options);
    const abort = new AbortController();
    const timer = clock.after(timeout, () =>
      abort.abort(new errors.ConnectTimeoutError(`no connection within ${timeout} ms`)),
    );
    try {
      const readiness = new Map<Socket, Promise<Socket>>();
      const dialled = await dial(addresses, {
        clock,
        signal: abort.signal,
        begin({ address }) {
          const { socket, ready } = begin({ ...wanted, hostname: address });
          readiness.set(socket, ready);
          return socket;
        },
      }).catch((error: unknown) => {
        lookups.doubt(wanted.hostname);
        throw error;
      });
      const cut = () => dialled.destroy(abort.signal.reason as Error);
      abort.signal.addEventListener('abort', cut);
      const socket = (await readiness.get(dialled)) ?? dialled;
      abort.signal.removeEventListener('abort', cut);
      if (socket.remoteAddress !== undefined) options.connected?.(socket.remoteAddress);
      return socket;
    } finally {
      timer.cancel();
    }
  }

  return (wanted, callback) => {
    open(wanted).then(
      (socket) => callback(null, socket),
      (error: Error) => callback(error, null),
    );
  };
}

/** The addresses of a host, an address itself included. One that is too near rules out all of them. */
async function addressesOf(
  hostname: string,
  { lookups, lookupTimeout, addressScope }: ConnectorOptions,
): Promise<readonly LookupAddress[]> {
  const family = isIP(hostname);
  const addresses =
    family === 0 ? await lookups.addressesOf(hostname, lookupTimeout) : [{ address: hostname, family }];
  const kinds = addresses.map(({ address }) => addressKind(address));
  const tooNear = kinds.find((kind) => !isWithinScope(kind, addressScope));
  if (tooNear !== undefined) throw new ForbiddenAddressError(tooNearReason(hostname, tooNear));
  return addresses;
}
