/**
 * A kubeconfig file, as kubectl writes it: the cluster and the user of its current context. What would run a program, or pretend to
 * be another user, is refused.
 */
import { basename, dirname, resolve } from 'node:path';
import { readSecretFile } from '../config/credentials/secret-file.ts';
import { type KeyPair, readKeyPair } from '../config/files/key-pair.ts';
import { certificatesIn, readCaFile } from '../config/files/pem.ts';
import { readTextFile } from '../config/files/text-file.ts';
import { type ObjectFields, readFields } from '../config/policies/object-fields.ts';
import { parseYaml } from '../config/yaml/yaml-document.ts';
import { EntrepotError } from '../errors.ts';
import { literalKind } from '../lib/address-kind.ts';
import type { ApiAccess } from './api-access.ts';

/** Ways to log in that are not supported, and what to do instead. */
const refusedUserFields: Readonly<Record<string, string>> = {
  exec: 'runs a program, which Entrepot does not: use a token, a tokenFile or a client certificate',
  'auth-provider': 'is not supported: use a token, a tokenFile or a client certificate',
  username:
    'is not supported, and not by API servers either: use a token, a tokenFile or a client certificate',
  as: 'is not supported: name a user with the rights itself',
};

/** `path` is one file. Throws EntrepotError CONFIG_UNREADABLE or CONFIG_INVALID. */
export function readKubeconfig(path: string): ApiAccess {
  const text = readTextFile(path);
  if (text === undefined) {
    const message = 'there is no such file: correct KUBECONFIG, which must name one file';
    throw new EntrepotError('CONFIG_UNREADABLE', message, { file: path });
  }
  const [document] = parseYaml(text, path, { scalars: 'text' });
  if (document?.kind !== 'map') throw new EntrepotError('CONFIG_INVALID', 'is no kubeconfig', { file: path });
  const object = { kind: 'kubeconfig', name: basename(path) };
  const fields = readFields(document, '', { file: path, object, warnings: [] });
  const contextName = fields.text('current-context')?.text;
  if (!contextName)
    throw fields.invalid('current-context', 'it has no current-context: kubectl config use-context');
  const context = named(fields, 'contexts', contextName, 'context');
  const cluster = named(fields, 'clusters', required(context, 'cluster'), 'cluster');
  const userName = context.text('user')?.text;
  const user = userName ? named(fields, 'users', userName, 'user') : undefined;
  for (const [field, problem] of Object.entries(refusedUserFields)) {
    if (user && isPresent(user, field)) throw user.invalid(field, `${field} ${problem}`);
  }
  const beside = (file: string) => resolve(dirname(path), file);
  const from = `kubeconfig ${path}`;
  return {
    server: serverOf(cluster),
    from,
    verify: cluster.text('insecure-skip-tls-verify')?.text !== 'true',
    serverName: cluster.text('tls-server-name')?.text,
    proxy: cluster.text('proxy-url')?.text,
    ca: caOf(cluster, beside, from),
    pair: user ? pairOf(user, beside) : () => undefined,
    token: user ? tokenOf(user, beside) : () => undefined,
  };
}

/** The map called `name` in a list of `{ name, [key]: map }`. */
function named(fields: ObjectFields, list: string, name: string, key: string): ObjectFields {
  const found = fields.maps(list).find((entry) => entry.text('name')?.text === name);
  const value = found?.map(key);
  if (!value) throw fields.invalid(list, `${list} has no ${key} called ${JSON.stringify(name)}`);
  return value;
}

function required(fields: ObjectFields, name: string): string {
  const text = fields.text(name)?.text;
  if (!text) throw fields.invalid(name, `${name} is missing`);
  return text;
}

/** A field may be a text or a map. */
function isPresent(fields: ObjectFields, name: string): boolean {
  try {
    return Boolean(fields.text(name)?.text);
  } catch {
    return true;
  }
}

function serverOf(cluster: ObjectFields): URL {
  const text = required(cluster, 'server');
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLocal = url?.protocol === 'http:' && literalKind(url.hostname) === 'loopback';
  if (!url || (url.protocol !== 'https:' && !isLocal) || url.username !== '' || url.password !== '') {
    throw cluster.invalid('server', 'server must be an https:// URL; http:// is for loopback addresses');
  }
  return url;
}

function caOf(cluster: ObjectFields, beside: (file: string) => string, from: string): ApiAccess['ca'] {
  const data = decoded(cluster, 'certificate-authority-data');
  if (data !== undefined) {
    const certificates = certificatesIn(data);
    if (certificates.length === 0) {
      throw cluster.invalid(
        'certificate-authority-data',
        'certificate-authority-data has no certificate in PEM',
      );
    }
    return () => certificates;
  }
  const file = cluster.text('certificate-authority')?.text;
  return () => (file ? readCaFile(beside(file), `certificate-authority of ${from}`) : undefined);
}

function pairOf(user: ObjectFields, beside: (file: string) => string): () => KeyPair | undefined {
  const cert = decoded(user, 'client-certificate-data');
  const key = decoded(user, 'client-key-data');
  const certFile = user.text('client-certificate')?.text;
  const keyFile = user.text('client-key')?.text;
  if (cert !== undefined && key !== undefined) return () => ({ cert, key });
  if (!certFile && !keyFile && cert === undefined && key === undefined) return () => undefined;
  if (!certFile || !keyFile) {
    throw user.invalid(undefined, 'a client certificate needs its key, and both as files or both as data');
  }
  return () => readKeyPair(beside(certFile), beside(keyFile), 'correct the kubeconfig file');
}

/** As in other programs, the file wins, because its token is renewed. */
function tokenOf(user: ObjectFields, beside: (file: string) => string): ApiAccess['token'] {
  const file = user.text('tokenFile')?.text;
  const token = user.text('token')?.text;
  if (token && /[^\x21-\x7e]/.test(token))
    throw user.invalid('token', 'token has characters that no token has');
  return () => (file ? readSecretFile(beside(file)) : token || undefined);
}

function decoded(fields: ObjectFields, name: string): string | undefined {
  const text = fields.text(name)?.text;
  return text ? Buffer.from(text, 'base64').toString('utf8') : undefined;
}
