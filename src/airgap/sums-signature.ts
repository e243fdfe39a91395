/**
 * A detached Ed25519 signature (RFC 8032) of `NAME.sha256sums`: 64 bytes, which a plain OpenSSL checks.
 *
 *   openssl genpkey -algorithm ed25519 -out bundle.key
 *   openssl pkey -in bundle.key -pubout -out bundle.pub
 *   openssl pkeyutl -verify -pubin -inkey bundle.pub -rawin -in NAME.sha256sums -sigfile NAME.sha256sums.sig
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { readTextFile } from '../config/files/text-file.ts';
import { EntrepotError } from '../errors.ts';
import { reasonOf } from '../lib/thrown.ts';

/** A private key in PEM without a passphrase. Throws EntrepotError CREDENTIALS_UNUSABLE, without any of its text. */
export function readSigningKey(file: string): KeyObject {
  const code = 'CREDENTIALS_UNUSABLE';
  const pem = readTextFile(file, { code, encoding: 'latin1' });
  if (pem === undefined) throw new EntrepotError(code, 'there is no such file', { file });
  const way = 'make one with: openssl genpkey -algorithm ed25519 -out FILE';
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new EntrepotError(code, `is no private key in PEM without a passphrase: ${way}`, { file });
  }
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw new EntrepotError(code, `is a key of type ${key.asymmetricKeyType}, and Ed25519 is needed: ${way}`, {
    file,
  });
}

/** Writes the signature of `sums` to `file`. Throws EntrepotError BUNDLE_UNWRITABLE. */
export async function signSums(key: KeyObject, file: string, sums: string): Promise<void> {
  const draft = `${file}.partial`;
  try {
    await rm(draft, { force: true });
    await writeFile(draft, sign(null, Buffer.from(sums), key), { mode: 0o644, flag: 'wx', flush: true });
    await rename(draft, file);
  } catch (error) {
    throw new EntrepotError('BUNDLE_UNWRITABLE', `cannot be written: ${reasonOf(error)}`, {
      file,
      cause: error,
    });
  }
}

/** A public key in PEM. Throws EntrepotError CREDENTIALS_UNUSABLE. */
export function readVerifyKey(file: string): KeyObject {
  const code = 'CREDENTIALS_UNUSABLE';
  const pem = readTextFile(file, { code, encoding: 'latin1' });
  if (pem === undefined) throw new EntrepotError(code, 'there is no such file', { file });
  let key: KeyObject | undefined;
  try {
    key = createPublicKey(pem);
  } catch {
    // The error below says it.
  }
  if (key?.asymmetricKeyType === 'ed25519') return key;
  throw new EntrepotError(code, 'is no public Ed25519 key in PEM', { file });
}

/** Whether the holder of the key has signed `sums`. */
export function isSigned(sums: Uint8Array, signature: Uint8Array, key: KeyObject): boolean {
  return verify(null, sums, key, signature);
}
