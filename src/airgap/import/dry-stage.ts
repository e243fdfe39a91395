/** The stage of `--verify`: hashes all, keeps JSON up to a bound, and writes nothing. Parts have to come in order, volume by volume. */
import { createHash, type Hash } from 'node:crypto';
import { EntrepotError } from '../../errors.ts';
import { type Digest, digestAlgorithm } from '../../oci/digest.ts';
import {
  beginsAsGzip,
  checked,
  checkPart,
  hashIncoming,
  type Stage,
  type Staged,
  smallBytes,
} from './stage.ts';

interface Joining {
  readonly hash: Hash;
  next: number;
  readonly came: Set<number>;
}

/** Bytes of manifests and configurations in memory. */
const maxKept = 256 * 1024 * 1024;
const brace = 0x7b;

/** Nothing has to be closed. */
export function createDryStage(): Stage {
  const staged = new Map<Digest, Staged & { readonly json?: Uint8Array }>();
  const joining = new Map<Digest, Joining>();
  let kept = 0;

  return {
    expect: async () => {},
    async take(incoming, wanted) {
      const { size, file } = incoming;
      const first: Uint8Array[] = [];
      const digest = await hashIncoming(incoming, wanted, (chunk) => {
        if (size <= smallBytes || first.length === 0) first.push(chunk);
      });
      const bytes = Buffer.concat(first);
      const isJson = size <= smallBytes && bytes[0] === brace;
      if (!staged.has(digest) && isJson) kept += size;
      if (kept > maxKept) {
        const message = `more than ${maxKept} bytes of manifests: verify fewer volumes at once`;
        throw new EntrepotError('BUNDLE_INVALID', message, { file });
      }
      staged.set(digest, { size, isGzip: beginsAsGzip(bytes), ...(isJson && { json: bytes }) });
      return digest;
    },
    async takePart(incoming, blob, part) {
      checkPart(incoming, blob, part);
      const { digest, size, parts } = blob;
      const algorithm = digestAlgorithm(digest);
      const known = joining.get(digest) ?? { hash: createHash(algorithm), next: 0, came: new Set() };
      joining.set(digest, known);
      known.came.add(part);
      if (known.next !== part) {
        for await (const _ of incoming.bytes);
        return;
      }
      for await (const chunk of incoming.bytes) known.hash.update(chunk);
      known.next += 1;
      if (known.next < parts.length) return;
      joining.delete(digest);
      checked(incoming, `${algorithm}:${known.hash.digest('hex')}`, digest);
      staged.set(digest, { size, isGzip: false });
    },
    hasPart: async (digest, part) => joining.get(digest)?.came.has(part) ?? false,
    find: async (digest) => staged.get(digest),
    read: async (digest) => staged.get(digest)?.json,
  };
}
