/**
 * What a client may name with `unlisted = "direct"`, where any registry is let through. Even then it may not steer this
 * server to places that are no registry but give away secrets to whoever asks from here: link-local addresses
 * and the metadata services of clouds, under whatever spelling.
 */
import { BlockList, isIPv4 } from 'node:net';

/** Whether `registry` (a checked `host[:port]`) may be asked although no file lists it. */
export function isDialable(registry: string): boolean {
  // QUAY.io matches no entry for quay.io: it would pass by one that blocks it.
  if (registry.startsWith('[') || registry !== registry.toLowerCase()) return false;
  const colon = registry.indexOf(':');
  const host = colon < 0 ? registry : registry.slice(0, colon);
  const labels = host.split('.');
  const lastLabel = labels.at(-1) ?? '';
  // A resolver reads `2852039166`, `0xa9fe.1` and `0251.0376.1` as IPv4 addresses, too: only one spelling passes.
  if (/^(?:[0-9]+|0x[0-9a-f]*)$/.test(lastLabel)) return isIPv4(host) && !forbidden.check(host);
  if (lastLabel === 'internal' || labels[0] === 'metadata' || labels[0] === 'instance-data') return false;
  return labels.length > 1 || colon >= 0 || host === 'localhost';
}

const forbidden = new BlockList();
forbidden.addSubnet('0.0.0.0', 8);
forbidden.addSubnet('169.254.0.0', 16);
forbidden.addSubnet('224.0.0.0', 3);
// Metadata and wire servers that are not link-local: Alibaba, Azure, Oracle.
for (const address of ['100.100.100.200', '168.63.129.16', '192.0.0.192']) forbidden.addAddress(address);
