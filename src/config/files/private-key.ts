/** Private keys in PEM. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { basename } from 'node:path';
import { EntrepotError, type ErrorCode } from '../../errors.ts';
import { reasonOf } from '../../lib/thrown.ts';

/** The first private key of a PEM text. Throws EntrepotError `code` that names `file`; no message shows the key. */
export function privateKeyIn(pem: string, file: string, code: ErrorCode): KeyObject {
  const unusable = (message: string) => new EntrepotError(code, message, { file });
  if (!/^-----BEGIN [A-Z ]*PRIVATE KEY-----/m.test(pem)) throw unusable('the file has no private key in PEM');
  if (/^-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(pem)) {
    const message = `the key is encrypted, and a server cannot type a password: store it decrypted, as "openssl pkey -in ${basename(file)}" prints it, readable by Entrepot alone`;
    throw unusable(message);
  }
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw unusable(`the private key cannot be used: ${reasonOf(error)}`);
  }
}
