/**
 * The credentials of an endpoint, by the rules of containers/image (pkg/docker/config). The credential helpers of registries.conf are
 * asked in order. The first credentials win:
 *
 *   containers-auth.json   the auth files in order; in each one
 *                            1. credHelpers[host]: the answer of that program, and nothing else of this file
 *                            2. credsStore: the answer of that program, as in Docker; without an answer, what follows
 *                            3. auths[host/a/b], auths[host/a], auths[host]: the first key that exists, even if empty
 *                            4. a key for the same host: https://HOST/v1/, and the other names of Docker Hub
 *   NAME                   docker-credential-NAME, asked for the host
 *
 * A helper that fails is skipped. If none of the others has credentials, its error is thrown: a request without credentials would
 * turn a broken login into a "not found".
 */
import { EntrepotError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { systemCode } from '../../lib/thrown.ts';
import { dockerHubIndex, dockerHubNames } from '../../oci/docker-hub.ts';
import { hostOf } from '../../oci/reference.ts';
import type { AuthFilePath, ConfigWarning, HostToken } from '../config.ts';
import { createWatchedFiles } from '../files/watched-file.ts';
import { authFilesHelper } from '../registries-conf/registries.ts';
import { type AuthEntry, type AuthFile, authFileWarnings, readAuthFile } from './auth-file.ts';
import type { RunHelper } from './credential-helper.ts';
import type { TokenKey } from './token-key.ts';

/** Credentials and their source. */
export type FoundCredentials = { readonly source: CredentialSource } & (
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** An OAuth2 refresh token; `username` may be empty. */
  | { readonly kind: 'identityToken'; readonly username: string; readonly token: string }
  /** Tokens are signed here (`signed-token.ts`). `username`: their issuer. No file of the ecosystem has this kind. */
  | {
      readonly kind: 'signingKey';
      readonly username: string;
      readonly token: HostToken;
      readonly key: TokenKey;
    }
);

/** Where credentials come from. It holds no secret, so it may be logged and shown. */
export interface CredentialSource {
  readonly file: string | undefined;
  /** The N of docker-credential-N, if a program gave them. */
  readonly helper: string | undefined;
  /** The key in the file, or the server that the program was asked for. */
  readonly key: string;
}

/**
 * `endpointName` is the image as the endpoint names it: `host[:port]/path`. Undefined: ask without credentials. Rejects with
 * EntrepotError CREDENTIALS_UNUSABLE. Files are read again when they change. Programs run at every call.
 */
export type AuthLookup = (endpointName: string) => Promise<FoundCredentials | undefined>;

/** Docker Hub in the credential store of Docker. */
const dockerHubKey = 'https://index.docker.io/v1/';
/** Milliseconds. A rewrite of an auth file may take so long. */
const rewriteTime = 10_000;

/** `runHelper` runs the programs. The look-up itself throws nothing: see `AuthLookup`. */
export function createAuthLookup(deps: {
  authFiles: readonly AuthFilePath[];
  credentialHelpers: readonly string[];
  runHelper: RunHelper;
  /** Called for each flaw in an auth file, each time the file is read. */
  warn?: (warning: ConfigWarning) => void;
  clock?: Clock;
}): AuthLookup {
  const formats = new Map(deps.authFiles.map((authFile) => [authFile.path, authFile]));
  const files = createWatchedFiles(
    (path) => {
      const authFile = formats.get(path) ?? { path, format: 'auth.json', explicit: false };
      const content = readAuthFile(authFile);
      for (const warning of authFileWarnings(content, path)) deps.warn?.(warning);
      missingStores.clear();
      return content;
    },
    { rewriteTime, ...(deps.clock && { clock: deps.clock }) },
  );
  const missingStores = new Set<string>();

  async function fromHelper(
    name: string,
    host: string,
    file?: string,
  ): Promise<FoundCredentials | undefined> {
    const answer = await deps.runHelper(name, host);
    if (!answer || (answer.username === '<token>' && answer.secret === '')) return undefined;
    const source = { file, helper: name, key: host };
    return answer.username === '<token>'
      ? { kind: 'identityToken', username: '', token: answer.secret, source }
      : { kind: 'basic', username: answer.username, password: answer.secret, source };
  }

  /**
   * A store that is not installed is skipped: the file comes from another machine. Any other failure goes to `failures` and counts
   * only if no other place has credentials.
   */
  async function fromStore(
    { credsStore }: AuthFile,
    host: string,
    file: string,
    failures: EntrepotError[],
  ): Promise<FoundCredentials | undefined> {
    if (credsStore === undefined) return undefined;
    try {
      return await fromHelper(credsStore, dockerHubNames.has(host) ? dockerHubKey : host, file);
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      if (systemCode(error.cause) !== 'ENOENT') {
        failures.push(error);
      } else if (!missingStores.has(file)) {
        missingStores.add(file);
        deps.warn?.({ file, message: `credsStore is not used: ${error.message}` });
      }
      return undefined;
    }
  }

  async function fromAuthFile(
    authFile: AuthFilePath,
    name: string,
    failures: EntrepotError[],
  ): Promise<FoundCredentials | undefined> {
    const content = files.get(authFile.path);
    const host = hostOf(name);
    const helper = content.credHelpers.get(host);
    if (helper !== undefined) return await fromHelper(helper, host, authFile.path);
    const stored = await fromStore(content, host, authFile.path, failures);
    if (stored) return stored;
    const key = matchingKey(content, name, authFile.format);
    const entry = key === undefined ? undefined : content.auths.get(key);
    return key === undefined || !entry ? undefined : credentialsOf(entry, key, authFile.path);
  }

  async function fromAuthFiles(name: string): Promise<FoundCredentials | undefined> {
    const failures: EntrepotError[] = [];
    for (const authFile of deps.authFiles) {
      const found = await fromAuthFile(authFile, name, failures);
      if (found) return found;
    }
    if (failures[0]) throw failures[0];
    return undefined;
  }

  return async (endpointName) => {
    const failures: EntrepotError[] = [];
    for (const helper of deps.credentialHelpers) {
      try {
        const found = await (helper === authFilesHelper
          ? fromAuthFiles(endpointName)
          : fromHelper(helper, hostOf(endpointName)));
        if (found) return found;
      } catch (error) {
        if (!(error instanceof EntrepotError)) throw error;
        failures.push(error);
      }
    }
    const [first, ...others] = failures;
    if (!first || others.length === 0) {
      if (first) throw first;
      return undefined;
    }
    const message = failures.map((failure) => failure.located).join('; ');
    throw new EntrepotError('CREDENTIALS_UNUSABLE', message, { cause: first });
  };
}

function credentialsOf(entry: AuthEntry, key: string, file: string): FoundCredentials | undefined {
  if (entry.kind === 'nothing') return undefined;
  if (entry.kind === 'unusable') {
    throw new EntrepotError('CREDENTIALS_UNUSABLE', `auths "${key}": ${entry.problem}`, { file });
  }
  return { ...entry, source: { file, helper: undefined, key } };
}

function matchingKey(file: AuthFile, name: string, format: AuthFilePath['format']): string | undefined {
  const isLegacy = format === 'dockercfg';
  const host = hostOf(name);
  const exact = (isLegacy ? [host] : parents(name)).find((key) => file.auths.has(key));
  if (exact !== undefined) return exact;
  return [...file.auths.keys()].find((key) => hostMeant(key, isLegacy) === canonicalHost(host));
}

/** `h/a/b`, `h/a`, `h`. */
function parents(name: string): readonly string[] {
  const parts = name.split('/');
  return parts.map((_, index) => parts.slice(0, parts.length - index).join('/'));
}

/** The host that a key stands for. A key without a scheme keeps its path, and with a path it stands for no host. */
function hostMeant(key: string, isLegacy: boolean): string {
  const stripped = key.replace(/^http:\/\//, '').replace(/^https:\/\//, '');
  return canonicalHost(isLegacy || stripped !== key ? hostOf(stripped) : stripped);
}

function canonicalHost(host: string): string {
  return dockerHubNames.has(host) ? dockerHubIndex : host;
}
