/**
 * Which registries a client may name with `unlisted = "direct"`, where any registry is let through. Even then a client may not
 * steer this server to places that are no registry and hand out secrets to every caller: link-local addresses and the metadata
 * services of clouds, in whatever spelling.
 */
import { BlockList, isIPv4 } from 'node:net';
import { addressKind } from '../lib/address-kind.ts';

/** Whether `registry` (a checked `host[:port]`) may be asked although no file lists it. */
export function isDialable(registry: string): boolean {
  // QUAY.io matches no entry for quay.io: it would evade an entry that blocks it.
  if (registry.startsWith('[') || registry !== registry.toLowerCase()) return false;
  const colon = registry.indexOf(':');
  const host = colon < 0 ? registry : registry.slice(0, colon);
  // ghcr.io:443 matches no entry, gate or scope for ghcr.io, and is the same registry.
  if (colon >= 0 && Number(registry.slice(colon + 1)) === 443) return false;
  const labels = host.split('.');
  const lastLabel = labels.at(-1) ?? '';
  // A resolver also reads `2852039166`, `0xa9fe.1` and `0251.0376.1` as IPv4 addresses: only one spelling passes.
  if (/^(?:[0-9]+|0x[0-9a-f]*)$/.test(lastLabel)) return isIPv4(host) && isOfOneHost(host);
  if (lastLabel === 'internal' || labels[0] === 'metadata' || labels[0] === 'instance-data') return false;
  return labels.length > 1 || colon >= 0 || host === 'localhost';
}

/** Multicast, reserved and broadcast addresses (RFC 1112, sections 4 and 8). */
const groups = new BlockList();
groups.addSubnet('224.0.0.0', 3);

function isOfOneHost(address: string): boolean {
  return addressKind(address) !== 'linkLocal' && !groups.check(address);
}
