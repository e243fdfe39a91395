/** Bearer tokens as an issuer makes them, and as an attacker does. */
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';

export interface TokenShape {
  readonly alg?: string;
  readonly kid?: string;
  readonly typ?: string;
  readonly issuer?: string;
  readonly audience?: string | readonly string[];
  readonly subject?: string;
  /** Seconds since the epoch. */
  readonly expires?: number;
  readonly notBefore?: number;
  readonly claims?: Readonly<Record<string, unknown>>;
}

export function newKeys(kind: 'ec' | 'rsa' = 'ec') {
  return kind === 'ec'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 });
}

/** Signed with `key`; what `shape` leaves out is left out of the token. */
export function signed(key: KeyObject, shape: TokenShape): Promise<string> {
  const { alg = 'ES256', kid, typ, issuer, audience, subject, expires, notBefore, claims } = shape;
  const token = new SignJWT({ ...claims }).setProtectedHeader({
    alg,
    ...(kid !== undefined && { kid }),
    ...(typ !== undefined && { typ }),
  });
  if (issuer !== undefined) token.setIssuer(issuer);
  if (audience !== undefined) token.setAudience(audience as string | string[]);
  if (subject !== undefined) token.setSubject(subject);
  if (expires !== undefined) token.setExpirationTime(expires);
  if (notBefore !== undefined) token.setNotBefore(notBefore);
  return token.sign(key);
}

/** A token with any header: unsigned, or with an HMAC under `secret`. */
export function forged(header: object, claims: object, secret?: string): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode(header)}.${encode(claims)}`;
  const signature = secret === undefined ? '' : createHmac('sha256', secret).update(text).digest('base64url');
  return `${text}.${signature}`;
}

/** The same token with other claims, under the old signature. */
export function altered(token: string, change: (claims: Record<string, unknown>) => object): string {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
  return `${header}.${Buffer.from(JSON.stringify(change(claims))).toString('base64url')}.${signature}`;
}
