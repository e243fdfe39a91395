/** `[tls]` of entrepot.toml -> what the listening side shows its clients, and the CAs by which it knows them. */
import { X509Certificate } from 'node:crypto';
import { EntrepotError } from '../errors.ts';
import type { ConfigWarning, TlsPaths } from './config.ts';
import { type KeyPair, readKeyPair } from './key-pair.ts';
import { readCaFile } from './pem.ts';

export interface TlsFiles extends KeyPair {
  /** PEM of the CAs of which one must have signed a client's certificate; undefined: clients need none. */
  readonly clientCa: readonly string[] | undefined;
  readonly warnings: readonly ConfigWarning[];
}

/**
 * Undefined where no TLS is wanted. `now`: epoch ms, for a warning of what has expired. Throws EntrepotError TLS_UNUSABLE.
 * Apart from `loadConfig`: commands run by somebody who may not read the key need it not.
 */
export function readTlsFiles({ certificate, key, clientCa }: TlsPaths, now: number): TlsFiles | undefined {
  if (certificate === undefined || key === undefined) return undefined;
  const pair = readKeyPair(
    certificate,
    key,
    'mend tls.certificate and tls.key in entrepot.toml, or ENTREPOT_TLS_CERTIFICATE and ENTREPOT_TLS_KEY',
  );
  const { validToDate } = new X509Certificate(pair.cert);
  const message = `the certificate expired on ${validToDate.toISOString().slice(0, 10)}: clients will refuse it`;
  const warnings = validToDate.getTime() < now ? [{ file: certificate, message }] : [];
  return {
    ...pair,
    clientCa: clientCa === undefined ? undefined : readCaFile(clientCa, 'tls.client_ca'),
    warnings,
  };
}

/** What is wrong with the three names together; `file`: the entrepot.toml that was read. */
export function tlsProblem(tls: TlsPaths, file: string | undefined): EntrepotError | undefined {
  const missing = [
    tls.certificate === undefined ? 'tls.certificate (ENTREPOT_TLS_CERTIFICATE)' : undefined,
    tls.key === undefined ? 'tls.key (ENTREPOT_TLS_KEY)' : undefined,
  ].filter((name) => name !== undefined);
  const given = Object.values(tls).filter((path) => path !== undefined);
  if (missing.length === 0 || given.length === 0) return undefined;
  const message = `TLS needs a certificate and a key: beside ${given.join(' and ')}, ${missing.join(' and ')} must be set`;
  return new EntrepotError('CONFIG_INVALID', message, { file });
}
