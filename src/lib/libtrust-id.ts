/** The name of a public key in tokens for distribution 2 and the registry of GitLab. */
import { createHash, type KeyObject } from 'node:crypto';

/** docker/libtrust, "Key ID": the first 30 bytes of the SHA-256 of the DER form, in base32, in groups of four. */
export function libtrustId(key: KeyObject): string {
  const der = key.export({ type: 'spki', format: 'der' });
  const bits = createHash('sha256').update(der).digest().subarray(0, 30);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  let text = '';
  for (let at = 0; at < 30; at += 5) {
    let value = bits.subarray(at, at + 5).reduce<bigint>((sum, byte) => sum * 256n + BigInt(byte), 0n);
    let group = '';
    for (let n = 0; n < 8; n += 1) {
      group = alphabet[Number(value % 32n)] + group;
      value /= 32n;
    }
    text += group;
  }
  return (text.match(/.{4}/g) ?? []).join(':');
}
