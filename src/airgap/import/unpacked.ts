/**
 * The tar in a file that may be compressed as a whole, as `docker save | gzip` makes it. Its first bytes say how.
 *
 * A tar of layers shrinks little or not at all: a file that grows a hundredfold over 256 MiB is made to fill the disk.
 */
import { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { EntrepotError } from '../../errors.ts';
import { reasonOf } from '../../lib/thrown.ts';
import { createByteReader } from '../byte-reader.ts';

const magicLength = 4;
const maxRatio = 100;
/** Bytes that come out before the ratio counts. */
const leastBytes = 256 * 1024 ** 2;
const unread: Readonly<Record<string, string>> = { '425a68': 'bzip2', fd377a: 'xz' };

/** The bytes of the tar. `file`: for messages. Throws EntrepotError BUNDLE_INVALID. */
export async function* unpacked(source: AsyncIterable<Uint8Array>, file: string): AsyncGenerator<Uint8Array> {
  const reader = createByteReader(source);
  let taken = 0;
  async function* all(first: Uint8Array): AsyncGenerator<Uint8Array> {
    taken += first.length;
    yield first;
    for (;;) {
      const next = await reader.some(Number.POSITIVE_INFINITY);
      if (!next) return;
      taken += next.length;
      yield next;
    }
  }
  try {
    const first = await reader.exactly(magicLength);
    if (!first) throw new EntrepotError('BUNDLE_INVALID', 'is no tar: it is shorter than a header', { file });
    const magic = Buffer.from(first).toString('hex');
    const other = unread[magic.slice(0, 6)];
    if (other !== undefined) {
      throw new EntrepotError('BUNDLE_INVALID', `is packed with ${other}: unpack it first`, { file });
    }
    const unpack = magic.startsWith('1f8b')
      ? createGunzip()
      : magic === '28b52ffd'
        ? createZstdDecompress()
        : undefined;
    if (!unpack) return yield* all(first);
    const packed = Readable.from(all(first));
    let failure: unknown;
    packed.on('error', (error) => {
      failure = error;
      unpack.destroy(error);
    });
    packed.pipe(unpack);
    let given = 0;
    try {
      for await (const chunk of unpack) {
        given += (chunk as Uint8Array).length;
        if (given > leastBytes && given > taken * maxRatio) {
          const message = `grows more than ${maxRatio}-fold when it is unpacked: no archive of images does`;
          throw new EntrepotError('BUNDLE_INVALID', message, { file });
        }
        yield chunk as Uint8Array;
      }
    } catch (error) {
      if (failure !== undefined || error instanceof EntrepotError) throw failure ?? error;
      throw new EntrepotError('BUNDLE_INVALID', `cannot be unpacked: ${reasonOf(error)}`, {
        file,
        cause: error,
      });
    } finally {
      packed.destroy();
      unpack.destroy();
    }
  } finally {
    await reader.close();
  }
}
