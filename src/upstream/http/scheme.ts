/**
 * HTTPS or HTTP. A host that is not marked insecure is asked by verified HTTPS only. An insecure one is
 * pinged once, as the ecosystem does it: HTTPS without verification, then plain HTTP. The one with a proper answer (200 or 401) is
 * kept until it fails. HTTP is not tried if it would reach the same closed or silent port.
 */
import { LRUCache } from 'lru-cache';
import { dropBody } from '../../lib/bytes/small-body.ts';
import type { Clock } from '../../lib/clock.ts';
import { SingleFlight } from '../../lib/flow/single-flight.ts';
import type { AttemptContext } from '../attempt.ts';
import type { Endpoint } from '../endpoint.ts';
import { apiHost } from '../host-settings.ts';
import type { Outcome } from '../outcome.ts';
import type { AddressScope } from './addresses.ts';
import type { Sender } from './sender.ts';
import { outcomeOfFault, type TransportFault } from './transport-fault.ts';

/** How to talk to an endpoint's host. */
export interface Base {
  readonly url: URL;
  readonly verify: boolean;
}

export interface Schemes {
  /** `sent` is called if the host has to be asked for it. */
  of(endpoint: Endpoint, context: Pick<AttemptContext, 'sent' | 'signal'>): Promise<Outcome<Base>>;
  /** Call when the remembered scheme failed below HTTP: it is detected again next time. */
  forget(endpoint: Endpoint): void;
}

type Ping =
  | { readonly kind: 'answered'; readonly properly: boolean }
  | { readonly kind: 'failed'; readonly fault: TransportFault };

/** Remembers at most 1000 insecure hosts, those used last. */
export function createSchemes(deps: {
  sender: Sender;
  addressScopeOf: (endpoint: Endpoint) => AddressScope;
  clock: Clock;
}): Schemes {
  const found = new LRUCache<string, Base>({ max: 1000 });
  const flights = new SingleFlight<Outcome<Base>>();

  async function ping(base: Base, name: string, addressScope: AddressScope): Promise<Ping> {
    const url = new URL('/v2/', base.url);
    const route = { url, name, verify: base.verify, addressScope };
    const got = await deps.sender.send(route, { method: 'GET', headers: {} });
    if (!got.ok) return { kind: 'failed', fault: got.fault };
    dropBody(got.response.body, deps.clock);
    return { kind: 'answered', properly: got.response.status === 200 || got.response.status === 401 };
  }

  async function detect(host: string, addressScope: AddressScope): Promise<Outcome<Base>> {
    const https: Base = { url: new URL(`https://${apiHost(host)}`), verify: false };
    const http: Base = { url: new URL(`http://${apiHost(host)}`), verify: false };
    const secure = await ping(https, host, addressScope);
    if (secure.kind === 'answered' && secure.properly) return { kind: 'ok', value: https };
    if (secure.kind === 'failed' && wouldFailAlike(secure.fault, host)) {
      return outcomeOfFault(secure.fault);
    }
    const plain = await ping(http, host, addressScope);
    if (plain.kind === 'answered' && plain.properly) return { kind: 'ok', value: http };
    if (secure.kind === 'answered') return { kind: 'ok', value: https };
    if (plain.kind === 'answered') return { kind: 'ok', value: http };
    return {
      kind: 'unreachable',
      reason: `HTTPS: ${secure.fault.reason}; plain HTTP: ${plain.fault.reason}`,
    };
  }

  return {
    async of(endpoint, context) {
      if (endpoint.peer) return { kind: 'ok', value: { url: new URL(endpoint.peer.origin), verify: true } };
      if (!URL.canParse(`https://${apiHost(endpoint.host)}`)) {
        return { kind: 'invalid', reason: `"${endpoint.host}" is no host that can be contacted` };
      }
      if (!endpoint.insecure) {
        return { kind: 'ok', value: { url: new URL(`https://${apiHost(endpoint.host)}`), verify: true } };
      }
      const known = found.get(endpoint.host);
      if (known) return { kind: 'ok', value: known };
      context.sent();
      const work = async () => {
        const result = await detect(endpoint.host, deps.addressScopeOf(endpoint));
        // A detection that all callers have given up must not overrule the one after it.
        if (result.kind === 'ok' && !found.has(endpoint.host)) found.set(endpoint.host, result.value);
        return result;
      };
      return flights.run(endpoint.host, work, context.signal);
    },
    forget: (endpoint) => void found.delete(endpoint.host),
  };
}

/** With a port in the name, both schemes go to that port; without, to 443 and 80. */
function wouldFailAlike(fault: TransportFault, host: string): boolean {
  if (fault.kind === 'dns' || fault.kind === 'forbidden' || fault.kind === 'busy') return true;
  return (
    /:\d+$/.test(host) &&
    (fault.kind === 'refused' || fault.kind === 'timeout' || fault.kind === 'unanswered')
  );
}
