/**
 * `Via` (RFC 9110, section 7.6.3): the servers of this program that a request has come through. Two that are each other's mirrors would
 * ask each other for ever what neither has:
 *
 *   client --> A --Via: A--> B --Via: A, B--> A      A sees itself, and refuses; B goes on to the next endpoint
 *
 * So what is sent upstream for a request names those that the request came through. What is shared by several requests, or is sent by
 * itself, names this server alone.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

export interface ViaChain {
  /** Whether a request with this `Via` has come through this process. */
  isOwn(via: string | undefined): boolean;
  /** Does the work for a request with this `Via`. */
  within<T>(via: string | undefined, work: () => T): T;
  /** `Via` of what is sent upstream by the work under way. */
  readonly outgoing: string;
}

/** Of other proxies nothing is repeated: a client could put anything there. */
const server = /^1\.1 entrepot-[0-9a-f-]{36}$/;
/** Servers that are named, the first ones of a longer chain. */
const mostServers = 16;

/** `id`: a UUID of this process. */
export function createViaChain(id: string): ViaChain {
  const own = `1.1 entrepot-${id}`;
  const cameBy = new AsyncLocalStorage<string>();
  return {
    isOwn: (via) => via?.includes(own) ?? false,
    within(via, work) {
      const servers = via?.split(',').map((one) => one.trim());
      const known = servers?.filter((one) => server.test(one)).slice(0, mostServers) ?? [];
      return known.length === 0 ? work() : cameBy.run(known.join(', '), work);
    },
    get outgoing() {
      const before = cameBy.getStore();
      return before === undefined ? own : `${before}, ${own}`;
    },
  };
}
