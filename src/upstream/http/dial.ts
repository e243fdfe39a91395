/**
 * One connection to a host with several addresses (RFC 8305, "Happy Eyeballs"): the families alternate, the next address is
 * tried when the last has failed or has taken 250 ms, and all attempts go on. The first connection wins.
 *
 * Node's own way (`autoSelectFamily`) gives up each address after 250 ms. Over a satellite, with a round trip of 320 ms, that
 * connects to nothing.
 */
import type { LookupAddress } from 'node:dns';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../lib/clock.ts';

export interface DialOptions {
  readonly clock: Clock;
  /** Ends all attempts. */
  readonly signal: AbortSignal;
  /** Begins the connection to one address. A TLS socket counts as connected when its TCP connection is. */
  begin(address: LookupAddress): Socket;
}

const attemptDelay = 250;

/** Rejects with the reason of `signal`, or, when every address has failed, with the error that explains most. */
export function dial(addresses: readonly LookupAddress[], options: DialOptions): Promise<Socket> {
  const { clock, signal } = options;
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

  function attempt(address: LookupAddress): void {
    const socket = options.begin(address);
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

/** An address that refused explains more than one that this machine has no route to, such as an IPv6 address without IPv6. */
function mostTelling(errors: readonly NodeJS.ErrnoException[]): NodeJS.ErrnoException {
  const told = errors.find(({ code }) => code !== 'ENETUNREACH' && code !== 'EADDRNOTAVAIL');
  return told ?? errors[0] ?? new Error('no address to connect to');
}
