/**
 * One TCP connection to a host with several addresses (RFC 8305, "Happy Eyeballs"): families by turns, the next address is
 * tried when the last has failed or has taken 250 ms, and all that were begun go on. The first connection wins.
 *
 * Node's own way (`autoSelectFamily`) gives up each address after 250 ms. Over a satellite, with a round trip of 320 ms, that
 * connects to nothing.
 */
import type { LookupAddress } from 'node:dns';
import { connect, type OnReadOpts, type Socket } from 'node:net';
import type { Clock, Timer } from '../../lib/clock.ts';

export interface DialOptions {
  readonly port: number;
  readonly clock: Clock;
  /** Ends all attempts. */
  readonly signal: AbortSignal;
  readonly onread?: OnReadOpts | undefined;
  /** Begins the connection to one address. Default: plain TCP. A TLS socket counts as connected when its TCP connection is. */
  readonly begin?: ((address: LookupAddress) => Socket) | undefined;
}

const attemptDelay = 250;
/** Between probes of a quiet connection, ms: well below the time after which NATs and load balancers forget it. */
export const keepAliveProbes = 15_000;

/** Rejects with the reason of `signal`, or, when every address has failed, with the error that says most. */
export function dial(addresses: readonly LookupAddress[], options: DialOptions): Promise<Socket> {
  const { port, clock, signal, onread, begin = plain } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const waiting = byTurns(addresses);
  const running = new Set<Socket>();
  const errors: NodeJS.ErrnoException[] = [];
  let timer: Timer | undefined;

  function next(): void {
    timer?.cancel();
    const address = waiting.shift();
    if (address) attempt(address);
    else if (running.size === 0) end(() => reject(mostTelling(errors)));
    if (waiting.length > 0) timer = clock.after(attemptDelay, next);
  }

  function plain({ address, family }: LookupAddress): Socket {
    return connect({
      ...{ host: address, family, port, noDelay: true, autoSelectFamily: false },
      ...{ keepAlive: true, keepAliveInitialDelay: keepAliveProbes },
      ...(onread && { onread }),
    });
  }

  function attempt(address: LookupAddress): void {
    const socket = begin(address);
    running.add(socket);
    socket.once('connect', () => {
      running.delete(socket);
      end(() => resolve(socket));
    });
    // It stays: an error may come before the owner of the connection has its own listener.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!running.delete(socket)) return;
      errors.push(error);
      next();
    });
  }

  function end(how: () => void): void {
    timer?.cancel();
    signal.removeEventListener('abort', onAbort);
    waiting.length = 0;
    const lost = [...running];
    running.clear();
    for (const socket of lost) socket.destroy();
    how();
  }

  function onAbort(): void {
    end(() => reject(signal.reason));
  }

  if (signal.aborted) onAbort();
  else {
    signal.addEventListener('abort', onAbort);
    next();
  }
  return promise;
}

/** In the order of DNS, but the families alternate (RFC 8305, section 4). */
export function byTurns(addresses: readonly LookupAddress[]): LookupAddress[] {
  const [first] = addresses;
  const ofFirst = addresses.filter(({ family }) => family === first?.family);
  const others = addresses.filter(({ family }) => family !== first?.family);
  const longer = Math.max(ofFirst.length, others.length);
  return Array.from({ length: longer }, (_, index) => [ofFirst[index], others[index]])
    .flat()
    .filter((address) => address !== undefined);
}

/** An address that refused says more than one that this machine has no route to, as with IPv6 where there is none. */
function mostTelling(errors: readonly NodeJS.ErrnoException[]): NodeJS.ErrnoException {
  const told = errors.find(({ code }) => code !== 'ENETUNREACH' && code !== 'EADDRNOTAVAIL');
  return told ?? errors[0] ?? new Error('no address to connect to');
}
