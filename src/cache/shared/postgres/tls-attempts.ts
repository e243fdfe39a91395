/**
 * The modes of TLS as libpq has them (PostgreSQL documentation, "SSL Support"), as what is tried on one host, in order:
 *
 *   disable ..... plain                       prefer ...... TLS, then plain
 *   allow ....... plain, then TLS             require ..... TLS; with sslrootcert like verify-ca
 *   verify-ca ... TLS, signed by a CA of sslrootcert
 *   verify-full . the same, and for this host
 */
import type { ConnectionOptions } from 'node:tls';
import { readKeyPair } from '../../../config/files/key-pair.ts';
import { readCaFile } from '../../../config/files/pem.ts';
import type { PostgresUrl } from './postgres-url.ts';

/** False: without TLS. */
export type TlsAttempt = false | ConnectionOptions;

/** Reads the files anew. Throws EntrepotError TLS_UNUSABLE. */
export function tlsAttempts(url: PostgresUrl): readonly TlsAttempt[] {
  const { tlsMode } = url;
  if (tlsMode === 'disable') return [false];
  const tls = tlsOptions(url);
  if (tlsMode === 'allow') return [false, tls];
  return tlsMode === 'prefer' ? [tls, false] : [tls];
}

function tlsOptions({ tlsMode, rootCert, cert, key }: PostgresUrl): ConnectionOptions {
  const isVerified = tlsMode.startsWith('verify') || (tlsMode === 'require' && rootCert !== undefined);
  const readsCas = isVerified && rootCert !== undefined && rootCert !== 'system';
  return {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: isVerified,
    ...(readsCas && { ca: [...readCaFile(rootCert, 'sslrootcert')] }),
    ...(tlsMode !== 'verify-full' && { checkServerIdentity: () => undefined }),
    ...(cert !== undefined && key !== undefined && readKeyPair(cert, key, 'correct sslcert and sslkey')),
  };
}
