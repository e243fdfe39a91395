/** Private keys that sign tokens: which algorithm a key is for, and the file of a registry's key. */
import type { KeyObject } from 'node:crypto';
import { EntrepotError } from '../../errors.ts';
import { privateKeyIn } from '../files/private-key.ts';
import { readTextFile } from '../files/text-file.ts';

/** Names of RFC 7518 and RFC 8037. */
export type SigningAlgorithm = 'ES256' | 'ES384' | 'EdDSA' | 'RS256';

/** A key and the one algorithm that it signs with. */
export interface TokenKey {
  readonly privateKey: KeyObject;
  readonly alg: SigningAlgorithm;
}

/** Which keys sign tokens, for messages. */
export const signingKeys = 'RSA of 2048 bits or more, EC P-256 or P-384, or Ed25519';

/** Undefined for a key that signs no tokens. RSA below 2048 bits is too weak (RFC 7518, section 3.3). */
export function signingAlgorithm({
  asymmetricKeyType,
  asymmetricKeyDetails,
}: KeyObject): SigningAlgorithm | undefined {
  const { namedCurve, modulusLength = 0 } = asymmetricKeyDetails ?? {};
  if (asymmetricKeyType === 'ec' && namedCurve === 'prime256v1') return 'ES256';
  if (asymmetricKeyType === 'ec' && namedCurve === 'secp384r1') return 'ES384';
  if (asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (asymmetricKeyType === 'rsa' && modulusLength >= 2048) return 'RS256';
  return undefined;
}

/** The key of `token.key_file`, PEM. Throws EntrepotError CREDENTIALS_UNUSABLE; no message shows the key. */
export function readTokenKey(file: string): TokenKey {
  const code = 'CREDENTIALS_UNUSABLE';
  const unusable = (message: string) => new EntrepotError(code, message, { file });
  const pem = readTextFile(file, { code, encoding: 'latin1' });
  if (pem === undefined)
    throw unusable('there is no such file: create it, or correct its name in entrepot.toml');
  const other = /^-----BEGIN (CERTIFICATE|[A-Z ]*PUBLIC KEY)-----/m.exec(pem)?.[1];
  if (other !== undefined && !pem.includes('PRIVATE KEY-----')) {
    const found = other === 'CERTIFICATE' ? 'a certificate' : 'a public key';
    throw unusable(`the file has ${found}, and tokens are signed with the private key that belongs to it`);
  }
  const privateKey = privateKeyIn(pem, file, code);
  const alg = signingAlgorithm(privateKey);
  if (alg === undefined) {
    const { namedCurve, modulusLength } = privateKey.asymmetricKeyDetails ?? {};
    const details = namedCurve ?? (modulusLength === undefined ? undefined : `${modulusLength} bits`);
    const found = [privateKey.asymmetricKeyType, details].filter((part) => part !== undefined).join(', ');
    throw unusable(`the key (${found}) signs no tokens: it must be ${signingKeys}`);
  }
  return { privateKey, alg };
}
