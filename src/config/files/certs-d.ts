/**
 * Certificates for a registry, from `certs.d/HOST[:PORT]/` of the ecosystem. Only the first directory that exists is used:
 *
 *   *.crt              CAs in PEM, in addition to those of the system; other content in the file is skipped
 *   X.cert and X.key   a client certificate and its key; one without the other is an error
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EntrepotError } from '../../errors.ts';
import { systemCode } from '../../lib/thrown.ts';
import { isDomain } from '../../oci/reference.ts';
import { type KeyPair, readKeyPair } from './key-pair.ts';
import { certificatesIn, readPem } from './pem.ts';
import { isMissing } from './text-file.ts';

/** What one directory of certs.d has. */
export interface HostCertificates {
  /** One PEM certificate each, trusted in addition to those of the system. */
  readonly ca: readonly string[];
  readonly pairs: readonly KeyPair[];
  /** The directory; undefined if this host has none. */
  readonly directory: string | undefined;
}

/** `host` is `host[:port]` of an endpoint. Reads the files at every call. Throws EntrepotError TLS_UNUSABLE. */
export type CertLookup = (host: string) => HostCertificates;

/** `directories` are in the order of the search. */
export function createCertLookup(directories: readonly string[]): CertLookup {
  return (host) => {
    // Only a domain becomes a path: not "..", not "", nothing with a slash.
    const candidates = isDomain(host) ? directories.map((directory) => join(directory, host)) : [];
    const directory = candidates.find(exists);
    return directory === undefined ? { ca: [], pairs: [], directory } : readCertificates(directory);
  };
}

/**
 * Hosts that have a directory in one of `directories`. One listing per directory is cheaper than a look-up for each of thousands of hosts.
 * Throws EntrepotError TLS_UNUSABLE.
 */
export function hostsWithCertificates(directories: readonly string[]): ReadonlySet<string> {
  return new Set(directories.flatMap((directory) => (exists(directory) ? namesIn(directory) : [])));
}

function readCertificates(directory: string): HostCertificates {
  const names = namesIn(directory);
  const ca: string[] = [];
  const pairs: KeyPair[] = [];
  for (const name of names) {
    const base = name.replace(/\.(?:cert|key)$/, '');
    if (name.endsWith('.crt')) {
      ca.push(...certificatesIn(readPem(join(directory, name)) ?? ''));
    } else if (name.endsWith('.cert')) {
      pairs.push(readPair(directory, base, names));
    } else if (name.endsWith('.key') && !names.includes(`${base}.cert`)) {
      const message = `a key without its client certificate: put ${base}.cert beside it or remove the key`;
      throw unusable(message, join(directory, name));
    }
  }
  return { ca, pairs, directory };
}

function readPair(directory: string, base: string, names: readonly string[]): KeyPair {
  const certFile = join(directory, `${base}.cert`);
  const keyFile = join(directory, `${base}.key`);
  if (!names.includes(`${base}.key`)) {
    const message = `a client certificate without its key: put ${base}.key beside it. A CA is named *.crt`;
    throw unusable(message, certFile);
  }
  return readKeyPair(certFile, keyFile, 'put it there, or remove its link');
}

/** A directory below one that this process may not enter counts as missing. */
function exists(directory: string): boolean {
  try {
    statSync(directory);
    return true;
  } catch (error) {
    if (isMissing(error) || systemCode(error) === 'EACCES') return false;
    throw unusable(`cannot be looked into: ${systemCode(error) ?? error}`, directory);
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (isMissing(error) || systemCode(error) === 'EACCES') return [];
    throw unusable(`cannot be listed: ${systemCode(error) ?? error}`, directory);
  }
}

function unusable(message: string, file: string): EntrepotError {
  return new EntrepotError('TLS_UNUSABLE', message, { file });
}
