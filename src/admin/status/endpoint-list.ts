/** The hosts that are asked for images: how they do, and what the metrics have counted of them. */
import type { HostState } from '../../telemetry/states.ts';
import type { Totals } from '../../telemetry/totals.ts';
import type { EndpointHealth } from '../../upstream/upstream.ts';
import type { EndpointStatus } from './status.ts';

export type Roles = ReadonlyMap<string, EndpointStatus['roles']>;

/** What is known of hosts, in one list by name. `health` and `states` are of the same hosts. */
export function endpointList(
  health: readonly EndpointHealth[],
  states: readonly HostState[],
  totals: Totals,
  roles: Roles,
): readonly EndpointStatus[] {
  const stateOf = new Map(states.map((state) => [state.host, state]));
  const healthOf = new Map(health.map((one) => [one.host, one]));
  const counted = countedOf(totals);
  const hosts = new Set([...roles.keys(), ...healthOf.keys()]);
  return [...hosts].sort().map((host) => {
    const { breaker = 'closed', usualMs = null, lastFailure = null } = healthOf.get(host) ?? {};
    const { cooling = 0, limit = null, remaining = null } = stateOf.get(host) ?? {};
    const { requests = {}, receivedBytes = 0, invalid = 0, unreachable = 0 } = counted.get(host) ?? {};
    return {
      host,
      roles: roles.get(host) ?? [],
      breaker,
      cooling,
      limit,
      remaining,
      requests,
      receivedBytes,
      faults: { invalid, unreachable },
      usualMs: usualMs === null ? null : Math.round(usualMs),
      lastFailure,
    };
  });
}

interface CountedHost {
  readonly requests: Record<string, number>;
  receivedBytes: number;
  invalid: number;
  unreachable: number;
}

function countedOf({ asked, received, faults }: Totals): ReadonlyMap<string, CountedHost> {
  const hosts = new Map<string, CountedHost>();
  const of = (host: string): CountedHost => {
    const known = hosts.get(host) ?? { requests: {}, receivedBytes: 0, invalid: 0, unreachable: 0 };
    hosts.set(host, known);
    return known;
  };
  for (const { host, outcome, count } of asked) of(host).requests[outcome] = count;
  for (const { host, count } of received) of(host).receivedBytes = count;
  for (const { host, fault, count } of faults)
    of(host)[fault === 'invalid' ? 'invalid' : 'unreachable'] = count;
  return hosts;
}
