/** Keys in files, which are read again when they have been rotated. */

import type { Credentials } from '../../credentials.ts';
import type { StoreSecrets } from '../../store-secrets.ts';
import type { AccessKey } from '../signature.ts';

export interface KeyFiles {
  readonly accessKeyFile: string;
  readonly secretKeyFile: string;
  readonly sessionTokenFile: string | undefined;
}

/** A rotation that is under way gives a pair that does not fit, so after a refusal the files are read again. */
export function createKeyFiles(files: KeyFiles, secrets: StoreSecrets): Credentials<AccessKey> {
  function read(): AccessKey {
    const token = files.sessionTokenFile;
    return {
      accessKey: secrets.get(files.accessKeyFile),
      secretKey: secrets.get(files.secretKeyFile),
      ...(token !== undefined && { sessionToken: secrets.get(token) }),
    };
  }

  return {
    async get(signal) {
      signal?.throwIfAborted();
      return read();
    },
    doubt(refused) {
      const now = read();
      return (
        refused.accessKey !== now.accessKey ||
        refused.secretKey !== now.secretKey ||
        refused.sessionToken !== now.sessionToken
      );
    },
  };
}
