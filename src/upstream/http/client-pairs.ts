/**
 * Which client certificates are shown. Go's clients choose among all by what the server asks for; OpenSSL holds one for each
 * type of key and cannot choose. So pairs are sorted into sets that it can hold, and the next set is tried when a
 * server refuses one: during a renewal, a folder holds the old and the new certificate.
 */
import { X509Certificate } from 'node:crypto';
import type { KeyPair } from '../../config/files/key-pair.ts';

/** The first set holds the pairs that are valid at `now` (epoch ms) and end last. Never empty. Throws what X509Certificate throws. */
export function pairSets(pairs: readonly KeyPair[], now: number): readonly (readonly KeyPair[])[] {
  const ranked = pairs
    .map((pair) => ({ pair, certificate: new X509Certificate(pair.cert) }))
    .map(({ pair, certificate }) => ({
      pair,
      type: certificate.publicKey.asymmetricKeyType,
      isValid: certificate.validFromDate.getTime() <= now && now < certificate.validToDate.getTime(),
      end: certificate.validToDate.getTime(),
    }))
    .sort((a, b) => Number(b.isValid) - Number(a.isValid) || b.end - a.end);
  const byType = [...Map.groupBy(ranked, ({ type }) => type).values()];
  const count = Math.max(1, ...byType.map((group) => group.length));
  return Array.from({ length: count }, (_, turn) =>
    byType.flatMap((group) => group[Math.min(turn, group.length - 1)]?.pair ?? []),
  );
}
