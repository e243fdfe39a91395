/** policy.json as containers/image reads it: what it refuses, with the place. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { readPolicy } from '../../../../src/config/gates/read-policy.ts';
import { createSigningKey } from '../../../support/signing.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const key = createSigningKey();

function read(t: TestContext, value: unknown) {
  const folder = tempFolder(t);
  const file = join(folder, 'policy.json');
  writeFileSync(join(folder, 'key.pub'), key.publicKey);
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 1);
  writeFileSync(file, text.replaceAll('FOLDER', folder));
  return readPolicy(file);
}

const accept = [{ type: 'insecureAcceptAnything' }];
const signedBy = { type: 'signedBy', keyType: 'GPGKeys', keyData: 'a2V5' };
const sigstore = { type: 'sigstoreSigned', keyData: key.data };

describe('a policy', () => {
  it('has a default, scopes of docker, and keys of files', (t) => {
    const { policy, files } = read(t, {
      default: [{ type: 'reject' }],
      transports: {
        docker: { 'quay.io/a': [{ ...sigstore, keyData: undefined, keyPath: 'FOLDER/key.pub' }], '': accept },
        'docker-daemon': { '': accept },
      },
    });
    assert.deepEqual(policy.default, [{ field: 'default[0]', type: 'reject' }]);
    assert.deepEqual([...policy.docker.keys()], ['quay.io/a', '']);
    const [one] = policy.docker.get('quay.io/a')!;
    assert.ok(one?.type === 'sigstoreSigned');
    assert.equal(one.field, 'transports.docker["quay.io/a"][0]');
    assert.deepEqual(one.by, { keys: [key.publicKey] });
    assert.deepEqual(one.identity, { type: 'matchRepoDigestOrExact' });
    assert.equal(files.length, 1);
  });

  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    ['no JSON', '{"default": [', /is no valid JSON/],
    ['a comment', '{"default": [{"type":"reject"}] /* no */}', /is no valid JSON/],
    ['a trailing comma', '{"default": [{"type":"reject"}],}', /is no valid JSON/],
    [
      'a key twice',
      '{"default": [{"type":"reject"}], "default": [{"type":"reject"}]}',
      /default is there twice/,
    ],
    ['no default', { transports: {} }, /needs the key "default"/],
    ['an unknown key', { default: accept, defaults: accept }, /defaults: unknown key/],
    ['an empty list', { default: [] }, /default: a list of requirements must not be empty/],
    ['an unknown type', { default: [{ type: 'signedByMagic' }] }, /default\[0\]\.type: "signedByMagic"/],
    ['no type', { default: [{}] }, /default\[0\]: needs the key "type"/],
    ['a key too many', { default: [{ type: 'reject', why: '' }] }, /default\[0\]\.why: unknown key/],
    ['two sources of keys', { default: [{ ...signedBy, keyPath: '/x' }] }, /exactly one of keyPath/],
    ['no source of keys', { default: [{ type: 'signedBy', keyType: 'GPGKeys' }] }, /exactly one of keyPath/],
    ['an unknown keyType', { default: [{ ...signedBy, keyType: 'PGP' }] }, /keyType must be one of/],
    [
      'a missing key',
      { default: [{ ...signedBy, keyData: undefined, keyPath: '/nowhere' }] },
      /default\[0\]\.keyPath: there is no file \/nowhere/,
    ],
    ['no base64', { default: [{ ...signedBy, keyData: '%' }] }, /keyData: is no base64/],
    ['a key that is none', { default: [{ ...sigstore, keyData: 'a2V5' }] }, /is no PEM of a public key/],
    [
      'fulcio without a CA',
      { default: [{ type: 'sigstoreSigned', fulcio: {} }] },
      /fulcio: needs exactly one of caPath, caData/,
    ],
    ['pki', { default: [{ type: 'sigstoreSigned', pki: {} }] }, /default\[0\]\.pki: keys of an own PKI/],
    [
      'an unknown identity',
      { default: [{ ...signedBy, signedIdentity: { type: 'any' } }] },
      /signedIdentity: "any"/,
    ],
    [
      'a reference without a tag',
      { default: [{ ...signedBy, signedIdentity: { type: 'exactReference', dockerReference: 'a' } }] },
      /neither a tag nor a digest/,
    ],
    [
      'a prefix that is none',
      {
        default: [
          { ...signedBy, signedIdentity: { type: 'remapIdentity', prefix: 'a/b', signedPrefix: 'b' } },
        ],
      },
      /the prefix "a\/b"/,
    ],
    [
      'a scope that is no list',
      { default: accept, transports: { docker: { '': {} } } },
      /transports\.docker\[""\] must be a list/,
    ],
  ];
  for (const [name, value, expected] of wrong) {
    it(`is refused with ${name}`, (t) => {
      assert.throws(
        () => read(t, value),
        (error: { message: string; file: string; line: number; code: string }) => {
          assert.match(error.message, expected);
          assert.equal(error.code, 'CONFIG_INVALID');
          assert.match(error.file, /policy\.json$/);
          assert.ok(error.line >= 1);
          return true;
        },
      );
    });
  }
});
