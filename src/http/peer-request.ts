/**
 * Requests of other replicas (`cluster/`). One that proves itself needs no rights of its own, since the replica that it comes from has
 * checked those of the client. It waits for as long as this server asks endpoints, and is told again and again that this goes on.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type PeerProof, peerHeader } from '../cluster/peer-proof.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import type { Reference } from '../oci/reference.ts';
import type { Pull } from '../pull/pull.ts';
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
}

/** ms between two signs of life: a peer waits for a second. */
const signEvery = 250;

/** Undefined for an ordinary client, which is any that asks for more than to read. */
export function peerOf(peers: PeerRequests, incoming: IncomingMessage): string | undefined {
  const { method = '', url: path = '', headers, socket } = incoming;
  const mark = headers[peerHeader];
  if (typeof mark !== 'string' || (method !== 'GET' && method !== 'HEAD')) return undefined;
  return peers.senderOf({ mark, method, path, certificateNames: certificateNamesOf(socket) });
}

/** A peer may read everything, and nothing else. */
export function admissionOfPeer(id: string): Admission {
  return {
    principal: { kind: 'peer', name: `peer ${id}`, names: [] },
    peer: id,
    refusal: () => undefined,
    may: () => false,
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
