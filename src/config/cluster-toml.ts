/** `[cluster]` of entrepot.toml. docs/cluster.md explains each key. */
import type { ClusterConfig } from './cluster-config.ts';
import type { TlsPaths } from './config.ts';
import type { StrictTable } from './toml/strict-table.ts';
import type { ValueKind } from './toml/value-kinds.ts';
import * as kind from './toml/value-kinds.ts';

const peerUrl: ValueKind<string> = {
  expected: 'the URL of a replica, such as "https://e1.corp:5000", without a path',
  read(value) {
    const url = kind.webUrl.read(value);
    if (url === undefined) return undefined;
    const { origin, pathname, search, hash } = new URL(url);
    return pathname === '/' && search === '' && hash === '' ? origin : undefined;
  },
};

const dnsName: ValueKind<string> = {
  expected: 'a name in DNS with a port, such as "entrepot-headless:5000"',
  read(value) {
    if (typeof value !== 'string' || !/:\d+$/.test(value)) return undefined;
    // A dot at the end of a name says that it is whole: no search domain is tried.
    return kind.host.read(value.replace(/\.(?=:)/, '')) === undefined ? undefined : value;
  },
};

/** A URL, `host:port`, or an address alone, as Kubernetes gives it to a pod. */
const ownName: ValueKind<string> = {
  expected: 'the URL or the address of this replica, such as "https://e1.corp:5000" or "10.1.2.3"',
  read: (value) =>
    typeof value === 'string' &&
    (peerUrl.read(value) ?? peerUrl.read(`https://${bracketed(value)}`)) !== undefined
      ? value
      : undefined,
};

/** Undefined if neither `peers` nor `dns` is there. `path`: the kind of a path that is relative to the working folder. */
export function readCluster(
  cluster: StrictTable,
  path: ValueKind<string>,
  tls: TlsPaths,
): ClusterConfig | undefined {
  const peers = cluster.list('peers', peerUrl);
  const dns = cluster.value('dns', dnsName);
  const written = cluster.value('self', ownName, undefined, { variable: 'ENTREPOT_CLUSTER_SELF' });
  const secretFile = cluster.value('secret_file', path);
  const keep = cluster.value('keep', kind.oneOf('all', 'owner'), 'all');
  if (peers.length === 0 && dns === undefined) {
    if (secretFile !== undefined)
      cluster.problem('secret_file', 'cluster.secret_file needs cluster.peers or cluster.dns');
    return undefined;
  }
  const self = written && ownUrl(written, dns, tls.certificate !== undefined);
  if (peers.length > 0 && dns !== undefined) {
    cluster.problem('dns', 'cluster.peers and cluster.dns exclude each other: leave one of them out');
  } else if (dns === undefined && (self === undefined || !peers.includes(self))) {
    const problem = self === undefined ? 'needs cluster.self' : `does not have cluster.self, ${self}`;
    cluster.problem('self', `cluster.peers ${problem}: write the entry that is this replica there`);
  }
  if (secretFile === undefined && tls.clientCa === undefined) {
    const message =
      '[cluster] needs secret_file, or certificates of clients (tls.client_ca): without either no replica can prove that it is one';
    cluster.problem('secret_file', message);
  }
  return { peers, dns, self, secretFile, keep };
}

/** As `peers` would have it. With `dns`, its port is that of every replica. */
function ownUrl(written: string, dns: string | undefined, secure: boolean): string {
  const whole = peerUrl.read(written);
  if (whole !== undefined) return whole;
  const { origin, port } = new URL(`${secure ? 'https' : 'http'}://${bracketed(written)}`);
  return port === '' && dns !== undefined ? `${origin}:${dns.replace(/^.*:/, '')}` : origin;
}

/** An IPv6 address as a URL has it. */
function bracketed(address: string): string {
  return /^[\da-f]*:[\da-f:.]*:[\da-f.]*$/i.test(address) ? `[${address}]` : address;
}
