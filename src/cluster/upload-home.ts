/**
 * The home of an upload: the replica that began it, and whose disk has its bytes. The id of the upload tells which one that is, so that
 * every other replica can pass requests on. What a client sends is compared with the members, never dialled.
 *
 *   k3Jx...  24 random characters, and 8 that are made of the home's id
 */
import { createHash } from 'node:crypto';
import type { Peer } from './peer.ts';

const length = 8;

/** What the ids of its uploads end with; empty for a replica that does not know its address yet. */
export function homeMark({ id }: Pick<Peer, 'id'>): string {
  if (id === '') return '';
  return createHash('sha256').update(`upload ${id}`).digest('base64url').slice(0, length);
}

/** The member that began the upload; undefined where none did. */
export function homeAmong(members: readonly Peer[], uploadId: string): Peer | undefined {
  return members.find((member) => uploadId.slice(-length) === homeMark(member));
}
