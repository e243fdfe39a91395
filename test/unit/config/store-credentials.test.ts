import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  azureCredentialSource,
  s3CredentialSource,
  storeRegion,
} from '../../../src/config/store-credentials.ts';
import { azureConfig, s3Config } from '../../support/stores.ts';

const bucket = s3Config({ bucket: 'images' });
const keys = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'key' };
const web = { AWS_WEB_IDENTITY_TOKEN_FILE: '/token', AWS_ROLE_ARN: 'arn:aws:iam::1:role/r' };
const container = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials/x' };

describe('credentials of a bucket', () => {
  const kindOf = (env: Record<string, string>) => s3CredentialSource(bucket, env).kind;

  it('come from the first source that there is, files of the block before all', () => {
    const keyFiles = { accessKeyFile: '/id', secretKeyFile: '/key', sessionTokenFile: undefined };
    const all = { ...keys, ...web, ...container };
    assert.equal(s3CredentialSource({ ...bucket, keyFiles }, all).kind, 'files');
    assert.equal(kindOf(all), 'key');
    assert.equal(kindOf({ ...web, ...container }), 'webIdentity');
    assert.equal(kindOf({ ...container, AWS_PROFILE: 'p', HOME: '/root' }), 'profile');
    assert.equal(kindOf(container), 'container');
    assert.equal(kindOf({}), 'instance');
    assert.equal(kindOf({ AWS_EC2_METADATA_DISABLED: 'TRUE' }), 'none');
  });

  it('come from a profile only where one is named', () => {
    const file = (env: Record<string, string>) => s3CredentialSource(bucket, env);
    assert.equal(kindOf({ HOME: '/root' }), 'instance');
    assert.deepEqual(file({ AWS_PROFILE: 'p', HOME: '/root' }), {
      ...{ kind: 'profile', file: '/root/.aws/credentials', profile: 'p' },
    });
    assert.deepEqual(file({ AWS_SHARED_CREDENTIALS_FILE: '/keys' }), {
      ...{ kind: 'profile', file: '/keys', profile: 'default' },
    });
    assert.equal(kindOf({ AWS_PROFILE: 'p' }), 'none');
  });

  it('of half a pair are none', () => {
    assert.equal(kindOf({ AWS_ACCESS_KEY_ID: 'id' }), 'instance');
    assert.equal(kindOf({ AWS_ROLE_ARN: 'arn' }), 'instance');
    assert.equal(kindOf({ ...keys, AWS_SECRET_ACCESS_KEY: '' }), 'instance');
  });

  it('over plain HTTP come from the addresses of ECS, EKS and this machine alone', () => {
    const full = (url: string) => kindOf({ AWS_CONTAINER_CREDENTIALS_FULL_URI: url });
    for (const url of [
      'http://169.254.170.23/v1/credentials',
      'http://[fd00:ec2::23]/',
      'http://localhost:1/',
      'https://any.corp/',
    ])
      assert.equal(full(url), 'container', url);
    for (const url of ['http://any.corp/', 'http://169.254.170.23.corp/', 'nonsense'])
      assert.equal(full(url), 'none', url);
    const relative = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '//any.corp/' };
    assert.equal(kindOf(relative), 'none');
  });

  it('take the region of the block, then of the environment', () => {
    const env = { AWS_REGION: 'eu-west-1', AWS_DEFAULT_REGION: 'eu-west-2' };
    assert.equal(storeRegion({ ...bucket, region: 'eu-west-3' }, env), 'eu-west-3');
    assert.equal(storeRegion(bucket, env), 'eu-west-1');
    assert.equal(storeRegion(bucket, { AWS_DEFAULT_REGION: 'eu-west-2' }), 'eu-west-2');
    assert.equal(storeRegion(bucket, {}), 'us-east-1');
  });
});

describe('credentials of a container of Azure', () => {
  it('come from the first source that there is', () => {
    const config = azureConfig({ account: 'corp', container: 'images', endpoint: 'https://corp.test' });
    const workload = { AZURE_TENANT_ID: 't', AZURE_CLIENT_ID: 'c', AZURE_FEDERATED_TOKEN_FILE: '/token' };
    const sas = { ...workload, AZURE_STORAGE_SAS_TOKEN: 'sv=1' };
    const all = { ...sas, AZURE_STORAGE_KEY: 'a2V5' };
    assert.equal(azureCredentialSource({ ...config, accountKeyFile: '/key' }, all).kind, 'keyFile');
    assert.equal(azureCredentialSource({ ...config, sasFile: '/sas' }, all).kind, 'sasFile');
    assert.equal(azureCredentialSource(config, all).kind, 'key');
    assert.equal(azureCredentialSource(config, sas).kind, 'sas');
    assert.equal(azureCredentialSource(config, workload).kind, 'workload');
    const machine = { kind: 'managed', origin: 'http://169.254.169.254', client: undefined };
    assert.deepEqual(azureCredentialSource(config, {}), machine);
    assert.deepEqual(azureCredentialSource(config, { AZURE_CLIENT_ID: 'c' }), { ...machine, client: 'c' });
  });
});
