/** Certificates in PEM files, which may also hold other text. */
import { X509Certificate } from 'node:crypto';
import { EntrepotError } from '../../errors.ts';
import { readTextFile } from './text-file.ts';

/** The certificates in a PEM text, one text each. Blocks that are not a certificate are left out. */
export function certificatesIn(pem: string): readonly string[] {
  const blocks =
    pem.match(/^-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----[ \t]*$/gm) ?? [];
  return blocks.filter((block) => {
    try {
      return new X509Certificate(block) !== undefined;
    } catch {
      return false;
    }
  });
}

/** The text of a PEM file; undefined if it does not exist. Throws EntrepotError TLS_UNUSABLE. */
export function readPem(file: string): string | undefined {
  return readTextFile(file, { code: 'TLS_UNUSABLE', encoding: 'latin1' });
}

/** At least one certificate, from the file that the key `setting` names. Throws EntrepotError TLS_UNUSABLE. */
export function readCaFile(file: string, setting: string): readonly string[] {
  const text = readPem(file);
  const certificates = certificatesIn(text ?? '');
  if (certificates.length > 0) return certificates;
  const problem = text === undefined ? 'there is no such file' : 'holds no PEM certificate';
  throw new EntrepotError('TLS_UNUSABLE', `${problem}: ${setting} names a bundle of CAs`, { file });
}
