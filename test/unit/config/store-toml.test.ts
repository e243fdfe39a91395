import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { readServerToml } from '../../../src/config/server-toml.ts';

const s3 = '[[store]]\nname = "eu"\nkind = "s3"\nbucket = "images"\n';
const azure = '[[store]]\nname = "az"\nkind = "azure"\naccount = "corp"\ncontainer = "images"\n';

function read(text: string) {
  const { server, problems } = readServerToml({ file: 'entrepot.toml', text }, '/work');
  return { stores: server.stores, problems: problems.map(({ message, line }) => `${line}: ${message}`) };
}

describe('[[store]]', () => {
  it('needs little: a bucket of AWS with the credentials of the surroundings', () => {
    const { stores, problems } = read(s3);
    assert.deepEqual(problems, []);
    assert.deepEqual(stores, [
      {
        name: 'eu',
        kind: 's3',
        bucket: 'images',
        placement: { match: [], uploadRate: undefined, redirect: undefined, sweep: undefined },
        prefix: '',
        endpoint: undefined,
        region: undefined,
        pathStyle: undefined,
        keyFiles: undefined,
        cloudFront: undefined,
        caFile: undefined,
        proxy: undefined,
        connectTimeout: 3000,
        headerTimeout: 15_000,
        stallTimeout: 30_000,
        maxConnections: 64,
      },
    ]);
  });

  it('takes all its keys', () => {
    const text = `${s3}
endpoint = "https://S3.corp:9000/"
region = "eu-central-1"
prefix = "a/b"
path_style = false
access_key_file = "id"
secret_key_file = "/run/key"
session_token_file = "token"
ca_file = "ca.pem"
proxy = "proxy.corp:3128"
connect_timeout = "1s"
header_timeout = "2s"
stall_timeout = "3s"
max_connections = 5
match = ["docker.io/team/**"]
upload_rate = "20MiB"
sweep_after = "7d"
sweep_every = "1d"
max_size = "5TiB"
redirect = { networks = ["10.0.0.0/8"], seconds = 60 }
cloudfront = { url = "https://d1.cloudfront.net/", key_pair_id = "K1", private_key_file = "cf.pem" }
`;
    const { stores, problems } = read(text);
    assert.deepEqual(problems, []);
    const [store] = stores;
    assert.ok(store?.kind === 's3');
    assert.equal(store.endpoint, 'https://s3.corp:9000');
    assert.equal(store.prefix, 'a/b/');
    assert.deepEqual(store.placement, {
      match: ['docker.io/team/**'],
      uploadRate: 20 * 1024 * 1024,
      redirect: { networks: ['10.0.0.0/8'], seconds: 60 },
      sweep: { after: 7 * 24 * 3_600_000, maxSize: 5 * 2 ** 40, every: 24 * 3_600_000 },
    });
    assert.equal(store.proxy, 'http://proxy.corp:3128/');
    assert.deepEqual(store.keyFiles, {
      accessKeyFile: '/work/id',
      secretKeyFile: '/run/key',
      sessionTokenFile: '/work/token',
    });
    assert.deepEqual(store.cloudFront, {
      url: 'https://d1.cloudfront.net',
      keyPairId: 'K1',
      privateKeyFile: '/work/cf.pem',
    });
  });

  it('is in the order of the file, of both kinds', () => {
    const { stores, problems } = read(`${azure}${s3}`);
    assert.deepEqual(problems, []);
    assert.deepEqual(
      stores.map(({ name }) => name),
      ['az', 'eu'],
    );
    const [store] = stores;
    const other = read(`store_preference = "eu"\n${azure}${s3}`);
    assert.deepEqual(
      other.stores.map(({ name }) => name),
      ['eu', 'az'],
    );
    assert.ok(store?.kind === 'azure');
    assert.equal(store.endpoint, 'https://corp.blob.core.windows.net');
  });

  const wrong: readonly (readonly [what: string, text: string, problem: RegExp])[] = [
    [
      'a kind that is not known',
      '[[store]]\nname = "a"\nkind = "gcs"\n',
      /^3: store\.kind must be "s3" or "azure", not "gcs"/,
    ],
    [
      'times without anything that is removed',
      `${s3}sweep_every = "1d"\n`,
      /sweep_every needs sweep_after = "7d" or max_size beside it/,
    ],
    [
      'a preference for what is not there',
      `store_preference = "us"\n${s3}`,
      /^1: .*no \[\[store\]\] has that name/,
    ],
    ['a redirect without networks', `${s3}redirect = { seconds = 5 }\n`, /^5: a redirect needs networks/],
    ['no bucket', '[[store]]\nname = "a"\nkind = "s3"\n', /needs the key bucket/],
    ['no container', '[[store]]\nname = "a"\nkind = "azure"\naccount = "corp"\n', /needs the key container/],
    [
      'a bucket that is a URL',
      '[[store]]\nname = "a"\nkind = "s3"\nbucket = "s3://images"\n',
      /^4: store\.bucket must be the name of a bucket/,
    ],
    ['the same name twice', `${s3}${s3}`, /store\.name "eu" is the name of another \[\[store\]\]/],
    ['half a key', `${s3}access_key_file = "id"\n`, /^5: access_key_file needs secret_key_file/],
    ['the other half', `${s3}secret_key_file = "key"\n`, /^5: secret_key_file needs access_key_file/],
    [
      'a session without a key',
      `${s3}session_token_file = "t"\n`,
      /session_token_file needs access_key_file/,
    ],
    [
      'a bucket in the endpoint',
      `${s3}endpoint = "https://s3.corp/images"\n`,
      /without a path: the bucket is named by bucket/,
    ],
    ['a secret in the endpoint', `${s3}endpoint = "https://id:key@s3.corp"\n`, /store\.endpoint must be/],
    ['a prefix that leads up', `${s3}prefix = "a/../b"\n`, /store\.prefix must be/],
    ['a prefix with slashes around it', `${s3}prefix = "/a/"\n`, /store\.prefix must be/],
    ['two secrets', `${azure}account_key_file = "a"\nsas_file = "b"\n`, /exclude each other/],
    ['a key of the other kind', `${s3}container = "images"\n`, /unknown key "container"/],
    ['a misspelt key', `${s3}acess_key_file = "id"\n`, /did you mean access_key_file\?/],
    [
      'half of CloudFront',
      `${s3}cloudfront = { url = "https://d1.cloudfront.net" }\n`,
      /needs the key key_pair_id/,
    ],
  ];
  for (const [what, text, problem] of wrong) {
    it(`refuses ${what}`, () => {
      const { problems } = read(text);
      assert.ok(
        problems.some((one) => problem.test(one)),
        problems.join('\n'),
      );
      assert.ok(!problems.join().includes('id:key'));
    });
  }

  it('of each block in docs/stores.md is right', () => {
    const page = readFileSync(new URL('../../../docs/stores.md', import.meta.url), 'utf8');
    const blocks = [...page.matchAll(/```toml\n([\s\S]*?)```/g)].map(([, text = '']) => text);
    assert.ok(blocks.length >= 6);
    for (const block of blocks) {
      const { stores, problems } = read(block);
      assert.deepEqual(problems, [], block);
      assert.equal(stores.length, block.match(/\[\[store/g)?.length);
    }
  });
});
