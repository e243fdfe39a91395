/**
 * How a replica proves to another that it is one. Every request to a peer carries a mark; a server takes it for true only with a proof:
 *
 *   cluster.secret_file ... the mark is signed with the secret, for this peer, this request and this time. The secret is never sent
 *   else .................. the client certificate of the connection names a member (`tls.client_ca` vouches for it)
 *
 *   x-entrepot-peer: id=e1:5000; to=e2:5000; at=1780000000000; mac=HEX
 *
 * A mark without proof means nothing: the request is that of an ordinary client.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { reasonOf } from '../lib/thrown.ts';
import type { Peer } from './peer.ts';

export const peerHeader = 'x-entrepot-peer';
/** For which principal a request about an upload is passed on, percent-encoded. It is signed like the rest. */
export const ownerHeader = 'x-entrepot-owner';

export interface PeerProof {
  /**
   * The headers of a request to a peer. `path`: with the query, as it is sent. `owner`: of the upload that it is about. Throws
   * EntrepotError CREDENTIALS_UNUSABLE.
   */
  headersFor(
    to: Pick<Peer, 'id'>,
    method: string,
    path: string,
    owner?: string,
  ): Readonly<Record<string, string>>;
  /** The id of the peer that sent the request; undefined for any other client. Throws nothing. */
  senderOf(request: MarkedRequest): string | undefined;
}

export interface MarkedRequest {
  /** The value of `x-entrepot-peer`. */
  readonly mark: string;
  readonly method: string;
  /** With the query, as it came. */
  readonly path: string;
  /** The value of `x-entrepot-owner`. */
  readonly owner?: string | undefined;
  /** Of a client certificate that `tls.client_ca` vouches for: `dns=e1`, `ip=10.1.2.3`. */
  readonly certificateNames: readonly string[];
}

export interface PeerProofDeps {
  readonly clock: Clock;
  /** Throws EntrepotError CREDENTIALS_UNUSABLE. Undefined: certificates are the proof. */
  readonly secret: (() => string) | undefined;
  readonly self: () => Peer;
  readonly members: () => readonly Peer[];
  /** A mark that is not true. */
  readonly onRefused: (reason: string) => void;
}

/** ms by which the clocks of two replicas may differ. */
const longestSkew = 300_000;
const markForm = /^id=([\w.:[\]-]{1,300}); to=([\w.:[\]-]{1,300})(?:; at=(\d{1,15}); mac=([0-9a-f]{64}))?$/;

/** Of one replica. */
export function createPeerProof(deps: PeerProofDeps): PeerProof {
  const { clock, secret, self, members, onRefused } = deps;

  function macOf(key: string, parts: readonly string[]): Buffer {
    return createHmac('sha256', key)
      .update(['entrepot-peer-1', ...parts].join('\n'))
      .digest();
  }

  function problemOf(request: MarkedRequest, [, id = '', to = '', at, mac]: RegExpExecArray) {
    if (to !== self().id) return `it is meant for ${to}, and this replica is ${self().id}`;
    if (!secret) {
      const names = new Set(members().flatMap(namesOf));
      return request.certificateNames.some((name) => names.has(name))
        ? undefined
        : 'no client certificate names a member of the cluster';
    }
    if (at === undefined || mac === undefined) return 'it is not signed';
    if (Math.abs(clock.now() - Number(at)) > longestSkew) return 'its time is more than five minutes away';
    const { method, path, owner } = request;
    const right = macOf(secret(), [id, to, at, method, path, ...(owner === undefined ? [] : [owner])]);
    return timingSafeEqual(right, Buffer.from(mac, 'hex')) ? undefined : 'it is signed with another secret';
  }

  return {
    headersFor({ id: to }, method, path, owner) {
      const { id } = self();
      const mark = `id=${id || 'unknown'}; to=${to}`;
      const named = owner === undefined ? [] : [encodeURIComponent(owner)];
      const headers = Object.fromEntries(named.map((value) => [ownerHeader, value]));
      if (!secret) return { ...headers, [peerHeader]: mark };
      const at = String(clock.now());
      const mac = macOf(secret(), [id || 'unknown', to, at, method, path, ...named]).toString('hex');
      return { ...headers, [peerHeader]: `${mark}; at=${at}; mac=${mac}` };
    },
    senderOf(request) {
      const read = markForm.exec(request.mark);
      let problem: string | undefined = 'it has not the form of a mark';
      try {
        if (read) problem = problemOf(request, read);
      } catch (error) {
        problem = reasonOf(error);
      }
      if (problem === undefined) return read?.[1];
      onRefused(problem);
      return undefined;
    },
  };
}

/** As a certificate has them: of the peer itself, or of the name that the members are looked up by. */
function namesOf({ id, name }: Peer): readonly string[] {
  return [id, name].flatMap((host) => {
    const hostname = host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
    return [`dns=${hostname}`, `ip=${hostname}`];
  });
}
