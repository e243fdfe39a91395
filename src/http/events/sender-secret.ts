/**
 * Whether a request has the secret of its sender. There are three places, as senders differ in what they can send:
 *
 *   path            /events/NAME/SECRET, only where `secret_in_path` allows it (Docker Hub, Quay)
 *   Authorization   the secret as it is (GitLab, distribution, Harbor), as Bearer, or as the password of Basic (zot)
 *   signature       a header with sha256=HEX or HEX: HMAC-SHA256 of the body with the secret
 *
 * Comparisons take the same time for any two texts.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** What a request shows. `value`: what the sender wrote there. */
export type Proof =
  | { readonly kind: 'path' | 'authorization' | 'signature'; readonly value: string }
  | { readonly kind: 'none'; readonly value: undefined };

/** The first of the three that is there. `inPath`: what stands after the name; `signatureHeader`: in lower case. */
export function proofOf(
  headers: IncomingHttpHeaders,
  inPath: string | undefined,
  signatureHeader: string,
): Proof {
  if (inPath !== undefined) return { kind: 'path', value: inPath };
  const { authorization } = headers;
  if (authorization !== undefined) return { kind: 'authorization', value: authorization };
  const signature = headerOf(headers, signatureHeader);
  if (signature !== undefined) return { kind: 'signature', value: signature };
  return { kind: 'none', value: undefined };
}

/** `body`: for a signature. */
export function proves({ kind, value }: Proof, secret: string, body: Uint8Array): boolean {
  switch (kind) {
    case 'none':
      return false;
    case 'path':
      return isSame(value, secret);
    case 'authorization':
      // All of them, always.
      return secretsIn(value)
        .map((one) => isSame(one, secret))
        .includes(true);
    case 'signature': {
      const expected = createHmac('sha256', secret).update(body).digest('hex');
      return isSame(
        value
          .trim()
          .replace(/^sha256=/i, '')
          .toLowerCase(),
        expected,
      );
    }
  }
}

/** A header by its name in lower case. */
export function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  return Array.isArray(value) ? value[0] : value;
}

/** What of an Authorization header may be the secret. */
function secretsIn(header: string): readonly string[] {
  const [, scheme = '', rest = ''] = /^(\S+) +(\S.*)$/s.exec(header) ?? [];
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return [header, rest];
    case 'basic': {
      const pair = Buffer.from(rest, 'base64').toString('utf8');
      return [header, pair.slice(pair.indexOf(':') + 1)];
    }
    default:
      return [header];
  }
}

function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digestOf(one), digestOf(other));
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
