/**
 * Where a store's credentials come from: what entrepot.toml says, else the first of what the surroundings of the process offer, in the
 * order of the SDKs of the clouds. It is decided once, from the configuration and the environment alone; no host is asked.
 */
import type { Environment } from './proxy-env.ts';
import type { AzureStoreConfig, S3StoreConfig } from './store-config.ts';

export type S3CredentialSource =
  | { readonly kind: 'files'; readonly files: NonNullable<S3StoreConfig['keyFiles']> }
  /** AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. */
  | {
      readonly kind: 'key';
      readonly accessKey: string;
      readonly secretKey: string;
      readonly sessionToken: string | undefined;
    }
  /** AWS_PROFILE or AWS_SHARED_CREDENTIALS_FILE: a profile of a file such as ~/.aws/credentials. */
  | { readonly kind: 'profile'; readonly file: string; readonly profile: string }
  /** AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN: a Kubernetes service account with a role. `endpoint`: of STS; undefined: of AWS. */
  | {
      readonly kind: 'webIdentity';
      readonly tokenFile: string;
      readonly roleArn: string;
      readonly sessionName: string;
      readonly endpoint: string | undefined;
    }
  /** AWS_CONTAINER_CREDENTIALS_*: an ECS task, or an EKS pod identity. */
  | {
      readonly kind: 'container';
      readonly url: string;
      readonly token: string | undefined;
      readonly tokenFile: string | undefined;
    }
  /** The role of an EC2 instance. */
  | { readonly kind: 'instance'; readonly origin: string }
  /** `problem`: a sentence. */
  | { readonly kind: 'none'; readonly problem: string };

export type AzureCredentialSource =
  | { readonly kind: 'keyFile' | 'sasFile'; readonly file: string }
  /** AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN. */
  | { readonly kind: 'key' | 'sas'; readonly secret: string }
  /** AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE: a Kubernetes workload identity. */
  | {
      readonly kind: 'workload';
      readonly authority: string;
      readonly tenant: string;
      readonly client: string;
      readonly tokenFile: string;
    }
  /** The identity of a machine or a node of Azure; `client`: AZURE_CLIENT_ID. */
  | { readonly kind: 'managed'; readonly origin: string; readonly client: string | undefined };

const containerHost = 'http://169.254.170.2';
/** The addresses of ECS and EKS: their credentials go over plain HTTP there, and only there. */
const containerHosts = new Set([
  '169.254.170.2',
  '169.254.170.23',
  '[fd00:ec2::23]',
  '127.0.0.1',
  '[::1]',
  'localhost',
]);
const instanceOrigin = 'http://169.254.169.254';

/** `region` of the file, else of the environment, else the first region of AWS, which other servers take for any. */
export function storeRegion({ region }: S3StoreConfig, env: Environment): string {
  return region ?? (env.AWS_REGION || env.AWS_DEFAULT_REGION || 'us-east-1');
}

/** Never throws: what is missing is the source `none`. */
export function s3CredentialSource({ keyFiles }: S3StoreConfig, env: Environment): S3CredentialSource {
  if (keyFiles) return { kind: 'files', files: keyFiles };
  const { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey } = env;
  if (accessKey && secretKey) {
    return { kind: 'key', accessKey, secretKey, sessionToken: env.AWS_SESSION_TOKEN || undefined };
  }
  const profile = profileSource(env);
  if (profile) return profile;
  const { AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile, AWS_ROLE_ARN: roleArn } = env;
  if (tokenFile && roleArn) {
    const sessionName = env.AWS_ROLE_SESSION_NAME || 'entrepot';
    const endpoint = env.AWS_ENDPOINT_URL_STS || undefined;
    return { kind: 'webIdentity', tokenFile, roleArn, sessionName, endpoint };
  }
  return containerSource(env) ?? instanceSource(env);
}

/** Only where one is named: a file that a person has left there says nothing about a server. */
function profileSource(env: Environment): S3CredentialSource | undefined {
  const { AWS_PROFILE: profile, AWS_SHARED_CREDENTIALS_FILE: named, HOME: home } = env;
  if (!profile && !named) return undefined;
  if (!named && !home)
    return { kind: 'none', problem: 'AWS_PROFILE is set, and neither AWS_SHARED_CREDENTIALS_FILE nor HOME' };
  return { kind: 'profile', file: named || `${home}/.aws/credentials`, profile: profile || 'default' };
}

function containerSource(env: Environment): S3CredentialSource | undefined {
  const relative = env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;
  const full = env.AWS_CONTAINER_CREDENTIALS_FULL_URI;
  if (!relative && !full) return undefined;
  const url = URL.parse(relative || full || '', relative ? containerHost : undefined);
  if (!url || (url.protocol !== 'https:' && !containerHosts.has(url.hostname))) {
    const name = `AWS_CONTAINER_CREDENTIALS_${relative ? 'RELATIVE' : 'FULL'}_URI`;
    return { kind: 'none', problem: `${name} must be a URL over HTTPS, or of this machine` };
  }
  return {
    kind: 'container',
    url: url.href,
    token: env.AWS_CONTAINER_AUTHORIZATION_TOKEN || undefined,
    tokenFile: env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE || undefined,
  };
}

function instanceSource(env: Environment): S3CredentialSource {
  if (env.AWS_EC2_METADATA_DISABLED?.toLowerCase() === 'true') {
    const problem =
      'there are no credentials: set access_key_file and secret_key_file, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY';
    return { kind: 'none', problem };
  }
  const origin = URL.parse(env.AWS_EC2_METADATA_SERVICE_ENDPOINT || instanceOrigin)?.origin;
  return { kind: 'instance', origin: origin ?? instanceOrigin };
}

/** Never throws. */
export function azureCredentialSource(store: AzureStoreConfig, env: Environment): AzureCredentialSource {
  if (store.accountKeyFile !== undefined) return { kind: 'keyFile', file: store.accountKeyFile };
  if (store.sasFile !== undefined) return { kind: 'sasFile', file: store.sasFile };
  if (env.AZURE_STORAGE_KEY) return { kind: 'key', secret: env.AZURE_STORAGE_KEY };
  if (env.AZURE_STORAGE_SAS_TOKEN) return { kind: 'sas', secret: env.AZURE_STORAGE_SAS_TOKEN };
  const { AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: client, AZURE_FEDERATED_TOKEN_FILE: tokenFile } = env;
  const authority = env.AZURE_AUTHORITY_HOST || 'https://login.microsoftonline.com';
  if (tenant && client && tokenFile && URL.canParse(authority)) {
    return { kind: 'workload', authority: authority.replace(/\/+$/, ''), tenant, client, tokenFile };
  }
  const origin = URL.parse(env.AZURE_POD_IDENTITY_AUTHORITY_HOST || instanceOrigin)?.origin;
  return { kind: 'managed', origin: origin ?? instanceOrigin, client: client || undefined };
}
