/** A certificate and its private key from two PEM files, checked to belong together. For TLS servers and clients. */
import { X509Certificate } from 'node:crypto';
import { basename } from 'node:path';
import { createSecureContext } from 'node:tls';
import { EntrepotError } from '../../errors.ts';
import { reasonOf } from '../../lib/thrown.ts';
import { certificatesIn, readPem } from './pem.ts';
import { privateKeyIn } from './private-key.ts';

/** What `tls.createSecureContext` takes. */
export interface KeyPair {
  /** PEM: the certificate itself, then its chain. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

/** `wayOut` ends the message for a missing file. Throws EntrepotError TLS_UNUSABLE; no message shows the key. */
export function readKeyPair(certFile: string, keyFile: string, wayOut: string): KeyPair {
  const chain = certificatesIn(required(certFile, wayOut));
  const [leaf] = chain;
  if (leaf === undefined) throw unusable('the file has no certificate in PEM', certFile);
  const key = required(keyFile, wayOut);
  if (!new X509Certificate(leaf).checkPrivateKey(privateKeyIn(key, keyFile, 'TLS_UNUSABLE'))) {
    const message = `the certificate is for another key than that in ${basename(keyFile)}: put the two together that belong together; in a chain, the certificate itself comes first`;
    throw unusable(message, certFile);
  }
  const cert = chain.join('\n');
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw unusable(`the certificate cannot be used with ${basename(keyFile)}: ${reasonOf(error)}`, certFile);
  }
  return { cert, key };
}

function required(file: string, wayOut: string): string {
  const text = readPem(file);
  if (text !== undefined) return text;
  throw unusable(`there is no such file, or its link points nowhere: ${wayOut}`, file);
}

function unusable(message: string, file: string): EntrepotError {
  return new EntrepotError('TLS_UNUSABLE', message, { file });
}
