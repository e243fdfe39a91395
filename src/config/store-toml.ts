/** `[[store]]` of entrepot.toml. docs/stores.md explains each key. */
import type { AzureStoreConfig, CloudFrontConfig, S3StoreConfig, StoreConfig } from './store-config.ts';
import { readStorePlacement } from './store-placement-toml.ts';
import { createBlockNames } from './toml/block-names.ts';
import type { StrictTable } from './toml/strict-table.ts';
import * as kind from './toml/value-kinds.ts';

const bucketName: kind.ValueKind<string> = {
  expected: 'the name of a bucket: 3 to 63 lower-case letters, digits, ".", "-" and "_"',
  read: (value) =>
    typeof value === 'string' && /^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/.test(value) ? value : undefined,
};

const containerName: kind.ValueKind<string> = {
  expected: 'the name of a container: 3 to 63 lower-case letters, digits and "-"',
  read: (value) =>
    typeof value === 'string' && /^[a-z0-9](?:-?[a-z0-9]){2,62}$/.test(value) ? value : undefined,
};

const accountName: kind.ValueKind<string> = {
  expected: 'the name of a storage account: 3 to 24 lower-case letters and digits',
  read: (value) => (typeof value === 'string' && /^[a-z0-9]{3,24}$/.test(value) ? value : undefined),
};

const regionName: kind.ValueKind<string> = {
  expected: 'the name of a region, such as "eu-central-1"',
  read: (value) =>
    typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(value) ? value : undefined,
};

/** Without slashes around it. */
const keyPrefix: kind.ValueKind<string> = {
  expected:
    'components of letters, digits, ".", "_" and "-" with "/" between them, such as "images/entrepot"',
  read: (value) =>
    typeof value === 'string' && value.length <= 256 && /^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/.test(value)
      ? value
      : undefined,
};

const origin: kind.ValueKind<string> = {
  expected: 'a URL such as "https://s3.corp.example:9000", without a path: the bucket is named by bucket',
  read(value) {
    const url = kind.webUrl.read(value);
    if (url === undefined) return undefined;
    const { pathname, search, origin: found } = new URL(url);
    return pathname === '/' && search === '' ? found : undefined;
  },
};

/** Without a slash at its end. */
const base: kind.ValueKind<string> = {
  expected: 'a URL that begins with "https://" or "http://", without user info and query',
  read(value) {
    const url = kind.webUrl.read(value);
    return url === undefined || new URL(url).search !== '' ? undefined : url.replace(/\/+$/, '');
  },
};

const usual = { connectTimeout: 3000, headerTimeout: 15_000, stallTimeout: 30_000, maxConnections: 64 };

/** One store for each `[[store]]` that has what it needs. `path`: the kind of a path that is relative to the working folder. */
export function readStores(
  tables: readonly StrictTable[],
  path: kind.ValueKind<string>,
): readonly StoreConfig[] {
  const nameOf = createBlockNames('store');
  return tables.flatMap((table) => {
    const name = nameOf(table);
    const sort = table.required('kind', kind.oneOf('s3', 'azure'));
    const prefix = table.value('prefix', keyPrefix);
    const common = {
      placement: readStorePlacement(table),
      prefix: prefix === undefined ? '' : `${prefix}/`,
      caFile: table.value('ca_file', path),
      proxy: table.value('proxy', kind.proxy),
      connectTimeout: table.value('connect_timeout', kind.wait, usual.connectTimeout),
      headerTimeout: table.value('header_timeout', kind.wait, usual.headerTimeout),
      stallTimeout: table.value('stall_timeout', kind.wait, usual.stallTimeout),
      maxConnections: table.value('max_connections', kind.integer(1, 10_000), usual.maxConnections),
    };
    const own = sort === 'azure' ? readAzure(table, path) : sort === 's3' ? readS3(table, path) : undefined;
    return name === undefined || own === undefined ? [] : [{ name, ...common, ...own }];
  });
}

type Own<T> = Omit<T, Exclude<keyof T & keyof S3StoreConfig & keyof AzureStoreConfig, 'kind' | 'endpoint'>>;

function readS3(table: StrictTable, path: kind.ValueKind<string>): Own<S3StoreConfig> | undefined {
  const bucket = table.required('bucket', bucketName);
  const accessKeyFile = table.value('access_key_file', path);
  const secretKeyFile = table.value('secret_key_file', path);
  const sessionTokenFile = table.value('session_token_file', path);
  if ((accessKeyFile === undefined) !== (secretKeyFile === undefined)) {
    const [there, absent] = accessKeyFile === undefined ? ['secret', 'access'] : ['access', 'secret'];
    table.problem(`${there}_key_file`, `${there}_key_file needs ${absent}_key_file = "..." beside it`);
  } else if (sessionTokenFile !== undefined && accessKeyFile === undefined) {
    table.problem(
      'session_token_file',
      'session_token_file needs access_key_file and secret_key_file beside it',
    );
  }
  const rest = {
    endpoint: table.value('endpoint', origin),
    region: table.value('region', regionName),
    pathStyle: table.value('path_style', kind.flag),
    keyFiles:
      accessKeyFile === undefined || secretKeyFile === undefined
        ? undefined
        : { accessKeyFile, secretKeyFile, sessionTokenFile },
    cloudFront: readCloudFront(table.writtenTable('cloudfront'), path),
  };
  return bucket === undefined ? undefined : { kind: 's3', bucket, ...rest };
}

function readCloudFront(
  table: StrictTable | undefined,
  path: kind.ValueKind<string>,
): CloudFrontConfig | undefined {
  if (!table) return undefined;
  const url = table.required('url', base);
  const keyPairId = table.required('key_pair_id', regionName);
  const privateKeyFile = table.required('private_key_file', path);
  if (url === undefined || keyPairId === undefined || privateKeyFile === undefined) return undefined;
  return { url, keyPairId, privateKeyFile };
}

function readAzure(table: StrictTable, path: kind.ValueKind<string>): Own<AzureStoreConfig> | undefined {
  const account = table.required('account', accountName);
  const container = table.required('container', containerName);
  const endpoint = table.value('endpoint', base) ?? `https://${account}.blob.core.windows.net`;
  const accountKeyFile = table.value('account_key_file', path);
  const sasFile = table.value('sas_file', path);
  if (accountKeyFile !== undefined && sasFile !== undefined) {
    table.problem('sas_file', 'account_key_file and sas_file exclude each other');
  }
  if (account === undefined || container === undefined) return undefined;
  return { kind: 'azure', account, container, endpoint, accountKeyFile, sasFile };
}
