/** The secret of `cluster.secret_file`. What is signed with it may be seen by others, so it must not be guessable. */
import { EntrepotError } from '../../errors.ts';
import { readSecretFile } from './secret-file.ts';

const leastLength = 16;

/** `read` gives the secret in the file. Throws EntrepotError CREDENTIALS_UNUSABLE. */
export function clusterSecret(file: string, read: (file: string) => string = readSecretFile): string {
  const secret = read(file);
  if (secret.length >= leastLength) return secret;
  const message = `the secret of a cluster needs ${leastLength} characters or more: make one with "head -c 32 /dev/urandom | base64"`;
  throw new EntrepotError('CREDENTIALS_UNUSABLE', message, { file });
}
