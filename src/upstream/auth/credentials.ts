/** Which credentials an endpoint gets: from a file that entrepot.toml names for the host, else from the ecosystem's auth files. */
import type { HostToken, UpstreamHostConfig } from '../../config/config.ts';
import type { AuthLookup, CredentialSource, FoundCredentials } from '../../config/credentials/auth-lookup.ts';
import {
  createSecretFiles,
  type SecretFiles,
  type SecretFilesDeps,
} from '../../config/credentials/secret-files.ts';
import { readTokenKey, type TokenKey } from '../../config/credentials/token-key.ts';
import { createWatchedFiles, type WatchedFiles } from '../../config/files/watched-file.ts';
import { EntrepotError } from '../../errors.ts';
import { systemClock } from '../../lib/clock.ts';
import { referenceName } from '../../oci/reference.ts';
import type { Endpoint } from '../endpoint.ts';
import type { HostSettings } from '../host-settings.ts';

export interface Credentials {
  /** Rejects with EntrepotError CREDENTIALS_UNUSABLE. */
  find(endpoint: Endpoint): Promise<FoundCredentials | undefined>;
  /** Whether tokens for the endpoint's host are signed here. */
  isSigned(endpoint: Endpoint): boolean;
}

export interface CredentialsDeps extends Partial<SecretFilesDeps> {
  readonly authLookup: AuthLookup;
  readonly settings: HostSettings;
}

/** ms. A key file that is being rewritten keeps its last good key so long. */
const rewriteTime = 5000;

/** Reads files again when they have changed. `onRewrite` is called when one of the secret files of entrepot.toml becomes unusable. */
export function createCredentials(deps: CredentialsDeps): Credentials {
  const { authLookup, settings, clock = systemClock, onRewrite } = deps;
  const secrets = createSecretFiles({ clock, onRewrite });
  const keys = createWatchedFiles(readTokenKey, { clock, rewriteTime });
  return {
    isSigned: ({ host }) => settings.of(host)?.token !== undefined,
    async find(endpoint) {
      const own = settings.of(endpoint.host);
      if (own?.token) return signingKey(own.host, own.token, keys);
      return (own && fromFiles(own, secrets)) ?? (await authLookup(referenceName(endpoint.reference)));
    },
  };
}

/** `/etc/auth.json (entry quay.io)` or `docker-credential-x (entry quay.io)`: names credentials without showing them. */
export function describeSource(source: CredentialSource): string {
  const place = source.helper === undefined ? source.file : `docker-credential-${source.helper}`;
  return place === undefined ? `the entry for ${source.key}` : `${place} (entry ${source.key})`;
}

function signingKey(host: string, token: HostToken, keys: WatchedFiles<TokenKey>): FoundCredentials {
  const { keyFile, issuer } = token;
  const key = readNamed(keyFile, `token.key_file of [[upstream.host]] ${host}`, keys);
  const source = { file: keyFile, helper: undefined, key: host };
  return { kind: 'signingKey', username: issuer, token, key, source };
}

function fromFiles(host: UpstreamHostConfig, secrets: SecretFiles): FoundCredentials | undefined {
  const { username = '', passwordFile, identityTokenFile } = host;
  const file = identityTokenFile ?? passwordFile;
  if (file === undefined) return undefined;
  const source = { file, helper: undefined, key: host.host };
  const key = identityTokenFile === undefined ? 'password_file' : 'identity_token_file';
  const secret = readNamed(file, `${key} of [[upstream.host]] ${host.host}`, secrets);
  return identityTokenFile === undefined
    ? { kind: 'basic', username, password: secret, source }
    : { kind: 'identityToken', username, token: secret, source };
}

/** `name`: the key that names the file, for the words of an error. */
function readNamed<T>(file: string, name: string, files: WatchedFiles<T>): T {
  try {
    return files.get(file);
  } catch (error) {
    if (!(error instanceof EntrepotError)) throw error;
    throw new EntrepotError(error.code, `${error.message} (${name})`, { file: error.file, cause: error });
  }
}
