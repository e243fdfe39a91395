/**
 * Reads containers-policy.json(5) as containers/image does: strictly, so that a misspelt key refuses the file and not, one day, the
 * wrong images. Files that it names are read here as well. Scopes of other transports than `docker` are checked and left out.
 */
import { createPublicKey } from 'node:crypto';
import { resolve } from 'node:path';
import { EntrepotError } from '../../errors.ts';
import { certificatesIn } from '../files/pem.ts';
import { readTextFile } from '../files/text-file.ts';
import { type JsonFields, type JsonValue, parseJsonFields } from './json-fields.ts';
import type { Fulcio, Policy, Requirement } from './policy.ts';
import { readSignedIdentity } from './signed-identity.ts';

/** A policy, and the files of keys that it names. */
export interface ReadPolicy {
  readonly policy: Policy;
  readonly files: readonly string[];
}

const gpgKeyTypes = ['GPGKeys', 'signedByGPGKeys', 'X509Certificates', 'signedByX509CAs'];
const maxKeyFile = 1024 * 1024;

/** Throws EntrepotError CONFIG_UNREADABLE or CONFIG_INVALID with file and line; the message names the field. */
export function readPolicy(file: string): ReadPolicy {
  const text = readTextFile(file);
  if (text === undefined) {
    throw new EntrepotError('CONFIG_UNREADABLE', 'there is no such file: [[gate]] policy names it', { file });
  }
  const sources = new KeySources();
  const document = parseJsonFields(text, file);
  const root = document.object();
  const ordinary = root.get('default');
  const docker = new Map<string, readonly Requirement[]>();
  for (const [transport, scopes] of root.get('transports')?.object().all() ?? []) {
    for (const [scope, list] of scopes.object().all()) {
      const requirements = readRequirements(list, sources);
      if (transport === 'docker') docker.set(scope, requirements);
    }
  }
  root.end();
  if (!ordinary) throw document.fault('needs the key "default"');
  return { policy: { file, default: readRequirements(ordinary, sources), docker }, files: sources.files };
}

function readRequirements(list: JsonValue, sources: KeySources): readonly Requirement[] {
  const items = list.list();
  if (items.length === 0) throw list.fault('a list of requirements must not be empty');
  return items.map((item) => readRequirement(item, sources));
}

function readRequirement(value: JsonValue, sources: KeySources): Requirement {
  const fields = value.object();
  const type = fields.get('type');
  if (!type) throw value.fault('needs the key "type"');
  const requirement = { field: value.field, ...requirementOf(type, value, fields, sources) } as Requirement;
  fields.end();
  return requirement;
}

function requirementOf(type: JsonValue, value: JsonValue, fields: JsonFields, sources: KeySources) {
  const name = type.text();
  switch (name) {
    case 'insecureAcceptAnything':
    case 'reject':
      return { type: name };
    case 'signedBaseLayer': {
      const identity = fields.get('baseLayerIdentity');
      if (!identity) throw value.fault('needs the key "baseLayerIdentity"');
      readSignedIdentity(identity);
      return { type: name };
    }
    case 'signedBy': {
      const keyType = fields.get('keyType')?.text() ?? '';
      if (!gpgKeyTypes.includes(keyType))
        throw value.fault(`keyType must be one of ${gpgKeyTypes.join(', ')}`);
      const keys = sources.exactlyOne(value, fields, ['keyPath', 'keyPaths', 'keyData']);
      return { type: name, keyType, keys, identity: readSignedIdentity(fields.get('signedIdentity')) };
    }
    case 'sigstoreSigned':
      return { type: name, ...sigstoreOf(value, fields, sources) };
    default:
      throw type.fault(`"${name}" is no type of requirement that containers/image knows`);
  }
}

function sigstoreOf(value: JsonValue, fields: JsonFields, sources: KeySources) {
  const pki = fields.get('pki');
  if (pki) throw pki.fault('keys of an own PKI are not checked here: use keyPath, keyPaths or fulcio');
  const fulcio = fields.get('fulcio');
  const keyNames = ['keyPath', 'keyPaths', 'keyData', 'keyDatas'];
  const hasKeys = keyNames.some((key) => fields.get(key) !== undefined);
  if (fulcio && hasKeys)
    throw value.fault('has fulcio and keys: exactly one of them says whose signature counts');
  const by = fulcio ? readFulcio(fulcio, sources) : { keys: publicKeys(sources, value, fields, keyNames) };
  const rekorNames = [
    'rekorPublicKeyPath',
    'rekorPublicKeyPaths',
    'rekorPublicKeyData',
    'rekorPublicKeyDatas',
  ];
  const hasRekor = rekorNames.some((key) => fields.get(key) !== undefined);
  if (fulcio && !hasRekor) throw value.fault('needs a public key of Rekor if fulcio is used');
  const rekor = hasRekor ? publicKeys(sources, value, fields, rekorNames) : undefined;
  return { by, rekor, identity: readSignedIdentity(fields.get('signedIdentity')) };
}

function publicKeys(
  sources: KeySources,
  value: JsonValue,
  fields: JsonFields,
  names: readonly string[],
): readonly string[] {
  return sources.exactlyOne(value, fields, names).map((source) => {
    const pem = Buffer.from(source, 'base64').toString('latin1');
    try {
      return createPublicKey(pem).export({ type: 'spki', format: 'pem' }).toString();
    } catch {
      throw value.fault('one of its public keys is no PEM of a public key');
    }
  });
}

function readFulcio(value: JsonValue, sources: KeySources): Fulcio {
  const fields = value.object();
  const [ca = ''] = sources.exactlyOne(value, fields, ['caPath', 'caData']);
  const pem = Buffer.from(ca, 'base64').toString('latin1');
  if (certificatesIn(pem).length === 0) throw value.fault('its CA holds no PEM certificate');
  const required = (key: string): string => {
    const text = fields.get(key)?.text() ?? '';
    if (text === '') throw value.fault(`needs the key "${key}"`);
    return text;
  };
  const fulcio = { ca: pem, oidcIssuer: required('oidcIssuer'), subjectEmail: required('subjectEmail') };
  fields.end();
  return fulcio;
}

/** Keys as files (`...Path`, `...Paths`) or as base64 (`...Data`, `...Datas`). */
class KeySources {
  readonly files: string[] = [];

  /** What each source holds, in base64. */
  exactlyOne(value: JsonValue, fields: JsonFields, names: readonly string[]): readonly string[] {
    const found = names.flatMap((name) => {
      const written = fields.get(name);
      return written ? [{ name, written }] : [];
    });
    const [one, ...others] = found;
    if (!one || others.length > 0) throw value.fault(`needs exactly one of ${names.join(', ')}`);
    const { name, written } = one;
    const items = name.endsWith('s') ? written.list() : [written];
    if (items.length === 0) throw written.fault('is empty');
    return items.map((item) => (/Paths?$/.test(name) ? this.#file(item) : dataIn(item)));
  }

  #file(item: JsonValue): string {
    const path = resolve(item.text());
    this.files.push(path);
    let text: string | undefined;
    try {
      text = readTextFile(path, { encoding: 'latin1', maxBytes: maxKeyFile });
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      throw item.fault(`${path} ${error.message}`);
    }
    if (text === undefined) throw item.fault(`there is no file ${path}`);
    return Buffer.from(text, 'latin1').toString('base64');
  }
}

function dataIn(item: JsonValue): string {
  const text = item.text();
  const bytes = Buffer.from(text, 'base64');
  const isWhole =
    bytes.toString('base64').replace(/=+$/, '') === text.replace(/[\r\n]/g, '').replace(/=+$/, '');
  if (!isWhole || bytes.length === 0) throw item.fault('is no base64');
  return bytes.toString('base64');
}
