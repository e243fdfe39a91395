/** Makes the store of one `[[store]]` block, with the credentials that its surroundings give it. */
import type { Environment } from '../config/proxy-env.ts';
import type { AzureStoreConfig, S3StoreConfig, StoreConfig } from '../config/store-config.ts';
import { azureCredentialSource, s3CredentialSource, storeRegion } from '../config/store-credentials.ts';
import type { Clock } from '../lib/clock.ts';
import type { AzureCredentials, AzureSecret } from './azure/azure-auth.ts';
import { createAzureStore } from './azure/azure-store.ts';
import { fetchManagedToken } from './azure/managed-identity.ts';
import { fetchWorkloadToken } from './azure/workload-identity.ts';
import { type Credentials, fixedCredentials } from './credentials.ts';
import { createExchanges, type Exchanges } from './exchange.ts';
import type { ObjectStore } from './object-store.ts';
import type { PartMemory } from './part-memory.ts';
import { awsEndpoint, createAddressing } from './s3/addressing.ts';
import { createCloudFront } from './s3/cloudfront.ts';
import { createKeyFiles } from './s3/credentials/key-files.ts';
import { fetchFromContainer, fetchFromInstance } from './s3/credentials/metadata.ts';
import { createProfile } from './s3/credentials/profile.ts';
import { fetchWebIdentity } from './s3/credentials/web-identity.ts';
import { createS3Store } from './s3/s3-store.ts';
import type { AccessKey } from './s3/signature.ts';
import { createStoreSecrets, type StoreSecrets } from './store-secrets.ts';
import { createTemporary } from './temporary.ts';
import type { StoreTransport } from './transport.ts';

export interface OpenStoreDeps {
  readonly transport: StoreTransport;
  readonly clock: Clock;
  /** Where credentials are looked for that entrepot.toml does not name. */
  readonly env: Environment;
  readonly memory: PartMemory;
}

interface SourceDeps {
  readonly exchanges: Exchanges;
  readonly secrets: StoreSecrets;
  readonly clock: Clock;
}

/** Contacts no host, and reads no file: what is wrong with credentials is a StoreError of the first request. */
export function openStore(config: StoreConfig, deps: OpenStoreDeps): ObjectStore {
  const { transport, clock, env, memory } = deps;
  const { name, stallTimeout } = config;
  const exchanges = createExchanges({ transport, clock, name, stallTimeout });
  const secrets = createStoreSecrets({ clock, exchanges });
  const sources: SourceDeps = { exchanges, secrets, clock };
  const parts = { exchanges, memory, clock, close: transport.close };
  if (config.kind === 'azure') {
    return createAzureStore({ ...parts, credentials: azureCredentials(config, env, sources) }, config);
  }
  const region = storeRegion(config, env);
  const { cloudFront } = config;
  return createS3Store(
    {
      ...parts,
      credentials: s3Credentials(config, env, sources),
      addressing: createAddressing({ ...config, region }),
      presign: cloudFront && createCloudFront(cloudFront, { clock, exchanges }),
    },
    { name, region, stallTimeout },
  );
}

function s3Credentials(config: S3StoreConfig, env: Environment, deps: SourceDeps): Credentials<AccessKey> {
  const source = s3CredentialSource(config, env);
  const { clock } = deps;
  switch (source.kind) {
    case 'files':
      return createKeyFiles(source.files, deps.secrets);
    case 'key':
      return fixedCredentials(source);
    case 'profile':
      return createProfile(source, deps);
    case 'webIdentity': {
      const endpoint = source.endpoint ?? awsEndpoint('sts', storeRegion(config, env));
      return createTemporary(fetchWebIdentity({ ...source, endpoint }, { ...deps, now: clock.now }), {
        clock,
      });
    }
    case 'container':
      return createTemporary(fetchFromContainer(source, deps), { clock });
    case 'instance':
      return createTemporary(fetchFromInstance(source.origin, deps), { clock });
    case 'none':
      return without(source.problem, deps);
  }
}

function azureCredentials(config: AzureStoreConfig, env: Environment, deps: SourceDeps): AzureCredentials {
  const source = azureCredentialSource(config, env);
  const { secrets, clock } = deps;
  /** The file is read again when it changes, so a refusal changes nothing. */
  const fromFile = (read: () => AzureSecret): AzureCredentials => ({
    get: async () => read(),
    doubt: () => false,
  });
  switch (source.kind) {
    case 'keyFile':
      return fromFile(() => ({ kind: 'key', key: secrets.get(source.file) }));
    case 'sasFile':
      return fromFile(() => ({ kind: 'sas', sas: secrets.get(source.file) }));
    case 'key':
      return fixedCredentials({ kind: 'key', key: source.secret });
    case 'sas':
      return fixedCredentials({ kind: 'sas', sas: source.secret });
    case 'workload':
      return createTemporary(fetchWorkloadToken(source, deps), { clock });
    case 'managed':
      return createTemporary(fetchManagedToken(source, deps), { clock });
  }
}

function without<T>(problem: string, { exchanges }: SourceDeps): Credentials<T> {
  return {
    async get() {
      throw exchanges.error('refused', problem);
    },
    doubt: () => false,
  };
}
