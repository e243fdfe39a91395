/** Whether a host answers for itself: `GET /v2/`, which belongs to no content and which clients cannot choose. */

import { dropBody } from '../../lib/bytes/small-body.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { AttemptContext } from '../attempt.ts';
import type { Endpoint } from '../endpoint.ts';
import type { HostSettings } from '../host-settings.ts';
import { routeToPeer } from '../http/route.ts';
import type { Schemes } from '../http/scheme.ts';
import type { Sender } from '../http/sender.ts';
import { kindOfStatus } from '../http/status.ts';

/** ms for what has come meanwhile to be read: this process may have been busy itself. */
export const socketReading = 50;

/** True if any answer but a server's error comes within so many ms, not counting waits for one of our own connections. */
export type Ping = (endpoint: Endpoint, within: number) => Promise<boolean>;

/** The ping of one configuration's upstream. */
export function createPing(deps: {
  sender: Sender;
  schemes: Schemes;
  settings: HostSettings;
  clock: Clock;
}): Ping {
  const { sender, schemes, settings, clock } = deps;

  async function ask(endpoint: Endpoint, context: AttemptContext): Promise<boolean> {
    const base = await schemes.of(endpoint, context);
    if (base.kind !== 'ok') return false;
    const url = new URL('/v2/', base.value.url);
    if (endpoint.namespaceProxy !== undefined) url.searchParams.set('ns', endpoint.namespaceProxy);
    const route = endpoint.peer
      ? routeToPeer(endpoint.peer, url)
      : {
          url,
          name: endpoint.host,
          verify: base.value.verify,
          addressScope: settings.addressScope(endpoint),
        };
    const got = await sender.send(route, { method: 'GET', headers: {} }, context);
    if (!got.ok) return got.fault.kind === 'busy';
    dropBody(got.response.body, clock);
    const { status } = got.response;
    return status < 400 || kindOfStatus(status) !== 'unreachable';
  }

  return async (endpoint, within) => {
    const late = new AbortController();
    let timer: Timer | undefined;
    const { promise: tooLate, resolve } = Promise.withResolvers<boolean>();
    late.signal.addEventListener('abort', () => resolve(false));
    const context = {
      signal: late.signal,
      waits: () => timer?.cancel(),
      sent() {
        timer?.cancel();
        timer = clock.after(within, () => {
          timer = clock.after(socketReading, () => late.abort());
        });
      },
      heard() {},
      progressed() {},
      used() {},
      redirected() {},
    };
    try {
      return await Promise.race([ask(endpoint, context), tooLate]);
    } finally {
      timer?.cancel();
    }
  };
}
