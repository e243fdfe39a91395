/**
 * A push is answered once its content is where its rule wants it: on the disk here, and in `durable` buckets. Without that key it is in
 * one, where a bucket is meant for the image.
 */
import type { PushRule } from '../config/config.ts';
import type { Digest } from '../oci/digest.ts';
import type { Secure } from '../placement/secure.ts';
import type { ImageName } from '../routing/target.ts';
import type { NotDurable } from './push.ts';

export interface Durable {
  /** A content that is stored here. */
  stored(image: ImageName, digest: Digest, rule: PushRule | undefined): Promise<NotDurable | undefined>;
  bytes(image: ImageName, digest: Digest, bytes: Uint8Array, rule: PushRule): Promise<NotDurable | undefined>;
}

/** Content of `fill` has its home elsewhere. Both functions reject when the index cannot be read or written. */
export function createDurable(secure: Secure): Durable {
  function copies({ name }: ImageName, rule: PushRule | undefined): number {
    if (!rule || rule.mode === 'fill') return 0;
    return rule.durable ?? Math.min(1, secure.count(name));
  }

  return {
    async stored(image, digest, rule) {
      const wanted = copies(image, rule);
      return wanted === 0 ? undefined : failureOf(await secure.stored(image.name, digest, wanted));
    },
    async bytes(image, digest, bytes, rule) {
      const wanted = copies(image, rule);
      return wanted === 0 ? undefined : failureOf(await secure.bytes(image.name, digest, bytes, wanted));
    },
  };
}

function failureOf(secured: Awaited<ReturnType<Secure['stored']>>): NotDurable | undefined {
  if (secured.ok) return undefined;
  const { reason, retryAfter } = secured;
  return { kind: 'notDurable', reason, retryAfter };
}
