/**
 * auth.json, Docker's config.json and the old ~/.dockercfg, as containers/image reads them:
 *
 *   {"auths": {"KEY": {"auth": base64(user:password), "identitytoken": "..."}}, "credHelpers": {"host[:port]": "NAME"},
 *    "credsStore": "NAME"}
 *
 * In a dockercfg the top level is the `auths` map. All other fields (`username` ...) are ignored. Names of fields match
 * without regard to case, as in Go. An identity token counts only beside an `auth` that has a colon. Messages of this file show no
 * value, because any value may be a secret.
 */
import { EntrepotError } from '../../errors.ts';
import { notJson, parseJson } from '../../oci/parse-json.ts';
import type { AuthFilePath, ConfigWarning } from '../config.ts';
import { readTextFile } from '../files/text-file.ts';
import { jsonErrorLine } from './json-position.ts';

/** An auth file after its types were checked. */
export interface AuthFile {
  readonly auths: ReadonlyMap<string, AuthEntry>;
  /** `host[:port]` -> N of the program docker-credential-N. */
  readonly credHelpers: ReadonlyMap<string, string>;
  /** N of the program docker-credential-N, which holds the credentials of all other hosts. */
  readonly credsStore?: string;
}

/** One entry of `auths`. */
export type AuthEntry =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'identityToken'; readonly username: string; readonly token: string }
  /** `{}`, or an `auth` without a colon: no credentials, but the search in this file ends here. */
  | { readonly kind: 'nothing'; readonly noColon: boolean }
  | { readonly kind: 'unusable'; readonly problem: string };

const noFile: AuthFile = { auths: new Map(), credHelpers: new Map() };

/**
 * A missing file counts as empty unless the user has named it. Throws EntrepotError CREDENTIALS_UNUSABLE. An entry that cannot
 * be used is a value and not an error: only a look-up that ends at it fails.
 */
export function readAuthFile(authFile: AuthFilePath): AuthFile {
  const closedIsMissing = authFile.belowRoots ?? false;
  const text = readTextFile(authFile.path, { code: 'CREDENTIALS_UNUSABLE', closedIsMissing });
  if (text !== undefined) return parseAuthFile(text, authFile);
  if (!authFile.explicit) return noFile;
  throw unusable(
    authFile,
    'there is no such file, though REGISTRY_AUTH_FILE names it: create it or unset the variable',
  );
}

/** `text` is the content of the file. Throws EntrepotError CREDENTIALS_UNUSABLE. */
export function parseAuthFile(text: string, authFile: Pick<AuthFilePath, 'path' | 'format'>): AuthFile {
  const content = readJson(text, authFile);
  const top = fieldsOf(content, 'the top level', authFile);
  const isOld = authFile.format === 'dockercfg';
  const auths = new Map<string, AuthEntry>();
  for (const map of isOld ? [content] : field(top, 'auths')) {
    for (const [key, entry] of fieldsOf(map, 'auths', authFile)) {
      auths.set(key, readEntry(entry, key, authFile));
    }
  }
  const credHelpers = new Map<string, string>();
  for (const map of isOld ? [] : field(top, 'credhelpers')) {
    for (const [key, name] of fieldsOf(map, 'credHelpers', authFile)) {
      credHelpers.set(key, stringOf(name, `credHelpers "${key}"`, authFile));
    }
  }
  const credsStore = isOld ? '' : stringOf(field(top, 'credsstore').at(-1) ?? '', 'credsStore', authFile);
  return { auths, credHelpers, ...(credsStore !== '' && { credsStore }) };
}

/** For `check` and the log: the entries that a look-up would skip or fail at. */
export function authFileWarnings(authFile: AuthFile, path: string): readonly ConfigWarning[] {
  return [...authFile.auths].flatMap(([key, entry]) => {
    if (entry.kind === 'unusable') return [{ file: path, message: `auths "${key}": ${entry.problem}` }];
    if (entry.kind !== 'nothing' || !entry.noColon) return [];
    return [
      { file: path, message: `auths "${key}": the auth field has no colon and is ignored: log in again` },
    ];
  });
}

function readEntry(value: unknown, key: string, file: Pick<AuthFilePath, 'path'>): AuthEntry {
  const fields = fieldsOf(value, `auths "${key}"`, file);
  const last = (name: string) => {
    const values = field(fields, name).filter((found) => found !== null);
    return stringOf(values.at(-1) ?? '', `auths "${key}" ${name}`, file);
  };
  return decodeAuth(last('auth'), last('identitytoken'));
}

/** `auth` is padded standard base64. As in Go, line breaks in it are skipped and NULs around the password are dropped. */
function decodeAuth(auth: string, token: string): AuthEntry {
  const packed = auth.replaceAll(/[\r\n]/g, '');
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(packed)) {
    return { kind: 'unusable', problem: 'the auth field is not base64: log in again' };
  }
  const bytes = Buffer.from(packed, 'base64');
  const decoded = bytes.toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon < 0) return { kind: 'nothing', noColon: decoded !== '' };
  if (!Buffer.from(decoded, 'utf8').equals(bytes)) {
    return { kind: 'unusable', problem: 'the auth field is not UTF-8 text: log in again' };
  }
  const username = decoded.slice(0, colon);
  const password = decoded.slice(colon + 1).replaceAll(/^\0+|\0+$/g, '');
  if (token !== '') return { kind: 'identityToken', username, token };
  return username === '' && password === ''
    ? { kind: 'nothing', noColon: false }
    : { kind: 'basic', username, password };
}

function readJson(text: string, file: Pick<AuthFilePath, 'path'>): unknown {
  const parsed = parseJson(text);
  if (parsed.ok) return parsed.value;
  const isText = parsed.problem === notJson;
  const problem = text.trim() === '' ? 'is empty' : isText ? 'is not valid JSON' : parsed.problem;
  throw unusable(
    file,
    `the file ${problem}: correct it, or remove it and log in again`,
    isText ? jsonErrorLine(text) : undefined,
  );
}

/** As in Go, null counts as absent. */
function fieldsOf(
  value: unknown,
  what: string,
  file: Pick<AuthFilePath, 'path'>,
): readonly [string, unknown][] {
  if (value === null) return [];
  if (typeof value === 'object' && !Array.isArray(value)) return Object.entries(value);
  throw unusable(file, `${what} must be a JSON object`);
}

function field(fields: readonly [string, unknown][], lowerName: string): readonly unknown[] {
  return fields.filter(([key]) => key.toLowerCase() === lowerName).map(([, value]) => value);
}

function stringOf(value: unknown, what: string, file: Pick<AuthFilePath, 'path'>): string {
  if (typeof value === 'string') return value;
  if (value === null) return '';
  throw unusable(file, `${what} must be a JSON string`);
}

function unusable(file: Pick<AuthFilePath, 'path'>, message: string, line?: number): EntrepotError {
  return new EntrepotError('CREDENTIALS_UNUSABLE', message, { file: file.path, line });
}
