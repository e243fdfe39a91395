/**
 * Mirrors and sources that are the address of this server: it would ask itself. That happens if it reads the drop-in that makes it the mirror
 * of podman on the same machine. A request that comes back is refused (508), so the mistake costs time and no answer.
 */
import { hostname, networkInterfaces } from 'node:os';
import { hostOf } from '../oci/reference.ts';
import type { ConfigWarning, ServerConfig } from './config.ts';
import type { RegistriesConf } from './registries-conf/registries.ts';

/** Names and addresses under which other programs reach this machine, and this machine itself. */
export interface Machine {
  readonly hostname: string;
  readonly addresses: readonly string[];
}

const loopback = ['127.0.0.1', 'localhost'];
const anyAddress = new Set(['0.0.0.0', '::']);

/** One warning for each such mirror or source. Names in DNS are not looked up. */
export function ownAddressWarnings(
  { entries }: RegistriesConf,
  { listen }: Pick<ServerConfig, 'listen'>,
  machine: () => Machine = thisMachine,
): readonly ConfigWarning[] {
  if (listen.port === 0) return [];
  const hosts = new Set(hostsOf(listen.host, machine));
  return entries.flatMap(({ prefix, location, origin, blocked, mirrors }) => {
    if (blocked) return [];
    const source = { location: location || prefix, origin };
    return [...mirrors.map((mirror) => ({ ...mirror, role: 'mirror' })), { ...source, role: 'location' }]
      .filter((place) => isAt(hostOf(place.location), hosts, listen.port))
      .map(({ location: own, role, origin: { file, line } }) => {
        const message =
          `the ${role} "${own}" of "${prefix}" is the address on which this server listens, so it would ask itself: ` +
          'leave it out, or give this server a file of its own with --registries';
        return { file, line, message };
      });
  });
}

/** An endpoint without a port is asked on 443. */
function isAt(host: string, own: ReadonlySet<string>, port: number): boolean {
  const [name = '', written = '443'] = host.split(':');
  return Number(written) === port && own.has(name.toLowerCase());
}

function hostsOf(listen: string, machine: () => Machine): readonly string[] {
  if (loopback.includes(listen) || listen === '::1') return loopback;
  if (!anyAddress.has(listen)) return [listen.toLowerCase()];
  const { hostname: name, addresses } = machine();
  return [...loopback, name.toLowerCase(), ...addresses];
}

/** As the system tells it now. */
export function thisMachine(): Machine {
  const addresses = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  return { hostname: hostname(), addresses: addresses.map(({ address }) => address) };
}
