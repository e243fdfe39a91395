/**
 * URLs of CloudFront, signed with a canned policy: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/
 * private-content-creating-signed-url-canned-policy.html. CloudFront takes SHA-1 alone.
 */
import { type KeyObject, sign } from 'node:crypto';
import { readPrivateKey } from '../../config/files/private-key.ts';
import { createWatchedFiles } from '../../config/files/watched-file.ts';
import { EntrepotError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Exchanges } from '../exchange.ts';
import { encodePath } from './signature.ts';

export interface CloudFront {
  /** Of the distribution, with the path before the keys of the bucket if there is one. */
  readonly url: string;
  readonly keyPairId: string;
  /** PEM of an RSA key. */
  readonly privateKeyFile: string;
}

/** Gets the key in the bucket. Reads the private key again when it changes. */
export function createCloudFront(
  { url, keyPairId, privateKeyFile }: CloudFront,
  { clock, exchanges }: { readonly clock: Clock; readonly exchanges: Pick<Exchanges, 'error'> },
): (keyInBucket: string, seconds: number) => Promise<string> {
  const keys = createWatchedFiles(readPrivateKey, { clock });

  function privateKey(): KeyObject {
    try {
      return keys.get(privateKeyFile);
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      throw exchanges.error('refused', error.located);
    }
  }

  return async (keyInBucket, seconds) => {
    const resource = `${url.replace(/\/+$/, '')}/${encodePath(keyInBucket)}`;
    const expires = Math.floor(clock.now() / 1000) + Math.max(1, Math.floor(seconds));
    const policy = `{"Statement":[{"Resource":"${resource}","Condition":{"DateLessThan":{"AWS:EpochTime":${expires}}}}]}`;
    const signature = sign('sha1', Buffer.from(policy), privateKey()).toString('base64');
    const safe = signature.replaceAll('+', '-').replaceAll('=', '_').replaceAll('/', '~');
    return `${resource}?Expires=${expires}&Signature=${safe}&Key-Pair-Id=${keyPairId}`;
  };
}
