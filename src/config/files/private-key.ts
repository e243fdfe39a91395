/** Private keys in PEM. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { basename } from 'node:path';
import { EntrepotError, type ErrorCode } from '../../errors.ts';
import { reasonOf } from '../../lib/thrown.ts';
import { readTextFile } from './text-file.ts';

/** The first private key of a PEM file. Throws EntrepotError CREDENTIALS_UNUSABLE; no message shows the key. */
export function readPrivateKey(file: string): KeyObject {
  const code = 'CREDENTIALS_UNUSABLE';
  const pem = readTextFile(file, { code, encoding: 'latin1' });
  if (pem !== undefined) return privateKeyIn(pem, file, code);
  throw new EntrepotError(code, 'there is no such file: create it, or correct its name in entrepot.toml', {
    file,
  });
}

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
