/**
 * Requests of other replicas (`cluster/`). One that proves itself needs no rights of its own, since the replica that it comes from has
 * checked those of the client. It waits for as long as this server asks endpoints, and is told again and again that this goes on.
 *
 *   GET, HEAD                              everything may be read
 *   GET, HEAD, PATCH, PUT, DELETE          of an upload that was begun here, for the principal in `x-entrepot-owner`
 *   all else                               as of an ordinary client
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Peer } from '../cluster/peer.ts';
import { ownerHeader, type PeerProof, peerHeader } from '../cluster/peer-proof.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import type { Reference } from '../oci/reference.ts';
import type { Pull } from '../pull/pull.ts';
import { decodePiece } from '../routing/parse-target.ts';
import { parseUploadPath } from '../routing/upload-path.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Admission } from './admission.ts';
import type { Answer } from './answers/answer.ts';
import { certificateNamesOf } from './client-facts.ts';

export interface PeerRequests {
  /** Names this replica. */
  readonly id: () => string;
  /** The id of the peer that sent the request; undefined for a mark without proof. */
  readonly senderOf: PeerProof['senderOf'];
  /** Whether this replica never waits for that peer about the reference. */
  outranks(id: string, reference: Reference): boolean;
  /** Asks no peer. */
  readonly pull: Pull;
  /** Another replica, which began the upload. */
  homeOf(uploadId: string): Peer | undefined;
  readonly passOn: Upstream['passOn'];
}

/** A proven peer. */
export interface PeerSender {
  readonly id: string;
  /** Of the upload that the request is about, such as `account:ci`. */
  readonly owner?: string | undefined;
}

/** ms between two signs of life: a peer waits for a second. */
const signEvery = 250;

const writes = ['PATCH', 'PUT', 'DELETE'];

/** Undefined for an ordinary client, which is any that asks for more than a peer may. */
export function peerOf(peers: PeerRequests, incoming: IncomingMessage): PeerSender | undefined {
  const { method = '', url: path = '', headers, socket } = incoming;
  const mark = headers[peerHeader];
  if (typeof mark !== 'string') return undefined;
  const given = headers[ownerHeader];
  const owner = typeof given === 'string' ? given : undefined;
  const isUpload = owner !== undefined && isOfSession(path);
  if (method !== 'GET' && method !== 'HEAD' && !(isUpload && writes.includes(method))) return undefined;
  const id = peers.senderOf({ mark, method, path, owner, certificateNames: certificateNamesOf(socket) });
  if (id === undefined) return undefined;
  return { id, ...(isUpload && { owner: decodePiece(owner) ?? owner }) };
}

function isOfSession(url: string): boolean {
  const path = parseUploadPath(url.split('?', 1)[0] ?? '');
  return path?.ok === true && path.value.id !== undefined;
}

/** What a peer may do is decided by `peerOf`. */
export function admissionOfPeer({ id, owner }: PeerSender): Admission {
  return {
    principal: { kind: 'peer', name: `peer ${id}`, names: [] },
    peer: id,
    owner,
    refusal: () => undefined,
    may: () => false,
    mayItself: () => false,
    challenge: () => undefined,
  };
}

/** Says that `work` goes on (102) until it is over. */
export async function whileAtWork<T>(
  outgoing: ServerResponse,
  work: T | Promise<T>,
  clock: Clock,
): Promise<T> {
  let timer: Timer | undefined;
  const tell = (): void => {
    if (outgoing.destroyed || outgoing.headersSent) return;
    outgoing.writeProcessing();
    timer = clock.after(signEvery, tell);
  };
  // What is here is answered at once.
  const first = setImmediate(tell);
  try {
    return await work;
  } finally {
    clearImmediate(first);
    timer?.cancel();
  }
}

/** Adds what a peer needs to know of an answer. `now`: epoch ms. */
export function addPeerHeaders(answer: Answer, id: string, now: number): void {
  answer.headers['X-Entrepot-Peer'] = id;
  // Rounded up, so that the ages on both sides together are never more than the freshness.
  if (answer.checkedAt !== undefined)
    answer.headers.Age = Math.max(0, Math.ceil((now - answer.checkedAt) / 1000));
}
