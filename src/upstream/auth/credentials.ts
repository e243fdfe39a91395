/** Whose name an endpoint is asked in: a file that entrepot.toml names for the host, else the ecosystem's auth files. */

import type { UpstreamHostConfig } from '../../config/config.ts';
import type { AuthLookup, CredentialSource, FoundCredentials } from '../../config/credentials/auth-lookup.ts';
import { readSecretFile } from '../../config/credentials/secret-file.ts';
import { EntrepotError } from '../../errors.ts';
import { referenceName } from '../../oci/reference.ts';
import type { Endpoint } from '../endpoint.ts';
import type { HostSettings } from '../host-settings.ts';

export interface Credentials {
  /** Rejects with EntrepotError CREDENTIALS_UNUSABLE. */
  find(endpoint: Endpoint): Promise<FoundCredentials | undefined>;
}

export function createCredentials(deps: { authLookup: AuthLookup; settings: HostSettings }): Credentials {
  return {
    async find(endpoint) {
      const own = deps.settings.of(endpoint.host);
      return (own && fromFiles(own)) ?? (await deps.authLookup(referenceName(endpoint.reference)));
    },
  };
}

/** `/etc/auth.json (entry quay.io)` or `docker-credential-x (entry quay.io)`: names credentials without showing them. */
export function describeSource(source: CredentialSource): string {
  const place = source.helper === undefined ? source.file : `docker-credential-${source.helper}`;
  return place === undefined ? `the entry for ${source.key}` : `${place} (entry ${source.key})`;
}

function fromFiles(host: UpstreamHostConfig): FoundCredentials | undefined {
  const { username = '', passwordFile, identityTokenFile } = host;
  const file = identityTokenFile ?? passwordFile;
  if (file === undefined) return undefined;
  const source = { file, helper: undefined, key: host.host };
  const secret = readNamed(
    file,
    identityTokenFile === undefined ? 'password_file' : 'identity_token_file',
    host.host,
  );
  return identityTokenFile === undefined
    ? { kind: 'basic', username, password: secret, source }
    : { kind: 'identityToken', username, token: secret, source };
}

function readNamed(file: string, key: string, host: string): string {
  try {
    return readSecretFile(file);
  } catch (error) {
    if (!(error instanceof EntrepotError)) throw error;
    const message = `${error.message} (${key} of [[upstream.host]] ${host})`;
    throw new EntrepotError(error.code, message, { file: error.file, cause: error });
  }
}
