/** Which credentials an endpoint gets: from a file that entrepot.toml names for the host, else from the ecosystem's auth files. */
import type { UpstreamHostConfig } from '../../config/config.ts';
import type { AuthLookup, CredentialSource, FoundCredentials } from '../../config/credentials/auth-lookup.ts';
import { EntrepotError } from '../../errors.ts';
import { systemClock } from '../../lib/clock.ts';
import { referenceName } from '../../oci/reference.ts';
import type { Endpoint } from '../endpoint.ts';
import type { HostSettings } from '../host-settings.ts';
import { createSecretFiles, type SecretFiles, type SecretFilesDeps } from './secret-files.ts';

export interface Credentials {
  /** Rejects with EntrepotError CREDENTIALS_UNUSABLE. */
  find(endpoint: Endpoint): Promise<FoundCredentials | undefined>;
}

export interface CredentialsDeps extends Partial<SecretFilesDeps> {
  readonly authLookup: AuthLookup;
  readonly settings: HostSettings;
}

/** Reads files again when they have changed. `onRewrite` is called when one of entrepot.toml's files becomes unusable. */
export function createCredentials(deps: CredentialsDeps): Credentials {
  const { authLookup, settings, clock = systemClock, onRewrite } = deps;
  const secrets = createSecretFiles({ clock, onRewrite });
  return {
    async find(endpoint) {
      const own = settings.of(endpoint.host);
      return (own && fromFiles(own, secrets)) ?? (await authLookup(referenceName(endpoint.reference)));
    },
  };
}

/** `/etc/auth.json (entry quay.io)` or `docker-credential-x (entry quay.io)`: names credentials without showing them. */
export function describeSource(source: CredentialSource): string {
  const place = source.helper === undefined ? source.file : `docker-credential-${source.helper}`;
  return place === undefined ? `the entry for ${source.key}` : `${place} (entry ${source.key})`;
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
function readNamed(file: string, name: string, secrets: SecretFiles): string {
  try {
    return secrets.get(file);
  } catch (error) {
    if (!(error instanceof EntrepotError)) throw error;
    throw new EntrepotError(error.code, `${error.message} (${name})`, { file: error.file, cause: error });
  }
}
