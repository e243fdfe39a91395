/** The files of `[tls]`: the certificate that the server shows, its key, and the CAs of its clients. */
import { X509Certificate } from 'node:crypto';
import { EntrepotError, joinErrors } from '../../errors.ts';
import type { ConfigWarning, TlsPaths } from '../config.ts';
import { type KeyPair, readKeyPair } from './key-pair.ts';
import { certificatesIn, readCaFile, readPem } from './pem.ts';

/** The files of `[tls]` after they were read. */
export interface TlsFiles extends KeyPair {
  /** PEM of the CAs. One of them must have signed the certificate of each client. Undefined: clients need no certificate. */
  readonly clientCa: readonly string[] | undefined;
  readonly warnings: readonly ConfigWarning[];
  /** When the first certificate of each file expires: epoch ms. */
  readonly expiries: readonly { readonly file: string; readonly at: number }[];
}

const day = 24 * 60 * 60 * 1000;
/** Days before the expiry from which it is warned about, and from which the warning is urgent. */
const soon = 30;
const urgent = 7;

/**
 * Undefined without `[tls]`. `now` is epoch ms, for warnings of certificates that expire. Throws EntrepotError TLS_UNUSABLE, which
 * names every missing file. `loadConfig` does not call it: a user without access to the key may run commands.
 */
export function readTlsFiles(paths: TlsPaths, now: number): TlsFiles | undefined {
  const { certificate, key, clientCa } = paths;
  if (certificate === undefined || key === undefined) return undefined;
  const problems = tlsFileProblems(paths);
  if (problems.length > 0) throw joinErrors(problems);
  const pair = readKeyPair(certificate, key, wayOut('certificate'));
  const cas = clientCa === undefined ? undefined : readCaFile(clientCa, 'tls.client_ca');
  const chains = [
    {
      file: certificate,
      what: 'the certificate',
      after: 'clients will refuse it',
      pems: certificatesIn(pair.cert),
    },
    {
      file: clientCa ?? '',
      what: 'a CA of the clients',
      after: 'their certificates are refused',
      pems: cas ?? [],
    },
  ].filter(({ pems }) => pems.length > 0);
  const ends = chains.map((chain) => ({ ...chain, at: firstEnd(chain.pems) }));
  return {
    ...pair,
    clientCa: cas,
    warnings: ends.flatMap(({ file, what, after, at }) => {
      const message = expiryMessage(what, after, at, now);
      return message === undefined ? [] : [{ file, message }];
    }),
    expiries: ends.map(({ file, at }) => ({ file, at })),
  };
}

/** One error for every file of `[tls]` that is missing or cannot be read. */
export function tlsFileProblems({ certificate, key, clientCa }: TlsPaths): readonly EntrepotError[] {
  const named = Object.entries({ certificate, key, client_ca: clientCa });
  return named.flatMap(([name, file]) => {
    if (file === undefined) return [];
    try {
      if (readPem(file) !== undefined) return [];
      const message = `there is no such file, or its link points nowhere: ${wayOut(name)}`;
      return [new EntrepotError('TLS_UNUSABLE', message, { file })];
    } catch (error) {
      if (error instanceof EntrepotError) return [error];
      throw error;
    }
  });
}

function wayOut(name: string): string {
  return `correct tls.${name} in entrepot.toml, or ENTREPOT_TLS_${name.toUpperCase()}`;
}

function firstEnd(pems: readonly string[]): number {
  return Math.min(...pems.map((pem) => new X509Certificate(pem).validToDate.getTime()));
}

function expiryMessage(what: string, after: string, at: number, now: number): string | undefined {
  const on = new Date(at).toISOString().slice(0, 10);
  if (at < now) return `${what} expired on ${on}: ${after}`;
  const days = Math.floor((at - now) / day);
  if (days >= soon) return undefined;
  const within = days === 0 ? 'in less than a day' : `in ${days} day${days === 1 ? '' : 's'}`;
  return `${what} expires on ${on}, ${within}: ${days < urgent ? 'renew it now' : 'renew it'}`;
}

/** The error of a certificate without a key, or the reverse. `file` is the entrepot.toml that was read. */
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
