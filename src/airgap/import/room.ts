/** Room on the disk and in `cache.max_size` for what an import writes, held until it is in the store. */
import type { Reservation } from '../../cache/cache.ts';
import type { HostedContent } from '../../cache/hosted-content.ts';
import { EntrepotError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Incoming } from './stage.ts';

export interface Room {
  /** Throws EntrepotError DATA_UNUSABLE where so much cannot come. */
  expect(bytes: number, file: string): Promise<void>;
  /** The same for one body, and holds its room. */
  hold(incoming: Incoming): Promise<Hold>;
  /** What was held for the content, or for all. */
  release(digest?: Digest): void;
  /** The error for a body that has no room. */
  lacking(incoming: Pick<Incoming, 'file' | 'path' | 'size'>): EntrepotError;
}

export interface Hold {
  /** So many more bytes are on the disk. */
  readonly wrote: (bytes: number) => void;
  /** Until the content is in the store. */
  keepFor(digest: Digest): void;
  release(): void;
}

/** `folder`: for messages. */
export function createRoom(content: Pick<HostedContent, 'reserve'>, folder: string): Room {
  const held = new Map<Digest, Reservation[]>();

  function lacking({ file, path, size }: Pick<Incoming, 'file' | 'path' | 'size'>): EntrepotError {
    const message = `there is no room for ${path} of ${file} (${size} bytes): free some space or raise cache.max_size, then import again; what has come is kept`;
    return new EntrepotError('DATA_UNUSABLE', message, { file: folder });
  }

  return {
    async expect(bytes, file) {
      const reservation = await content.reserve(bytes, [], () => 0);
      if (!reservation) throw lacking({ file, path: 'the contents', size: bytes });
      reservation.release();
    },
    async hold(incoming) {
      let written = 0;
      const reservation = await content.reserve(incoming.size, [], () => written);
      if (!reservation) throw lacking(incoming);
      return {
        wrote: (bytes) => {
          written += bytes;
        },
        keepFor: (digest) => held.set(digest, [...(held.get(digest) ?? []), reservation]),
        release: reservation.release,
      };
    },
    release(digest) {
      for (const key of digest === undefined ? [...held.keys()] : [digest]) {
        for (const reservation of held.get(key) ?? []) reservation.release();
        held.delete(key);
      }
    },
    lacking,
  };
}
