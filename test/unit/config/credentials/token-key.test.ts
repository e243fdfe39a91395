import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { readTokenKey } from '../../../../src/config/credentials/token-key.ts';
import { selfSigned } from '../../../support/certificates.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const rsa = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength });
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }) as string;

function file(t: TestContext, text: string): string {
  const path = join(tempFolder(t), 'registry.key');
  writeFileSync(path, text);
  return path;
}

describe('readTokenKey', () => {
  const pkcs1 = rsa(2048).privateKey.export({ type: 'pkcs1', format: 'pem' }) as string;
  for (const [what, text, alg] of [
    ['RSA as GitLab makes it', pkcs1, 'RS256'],
    ['EC P-256', pem(ec('P-256').privateKey), 'ES256'],
    ['EC P-384', pem(ec('P-384').privateKey), 'ES384'],
    ['Ed25519', pem(generateKeyPairSync('ed25519').privateKey), 'EdDSA'],
    ['a key after its certificate', Object.values(selfSigned()).toReversed().join(''), 'ES256'],
  ] as const) {
    it(`takes ${what} for ${alg}`, (t) => assert.equal(readTokenKey(file(t, text)).alg, alg));
  }

  const encrypted = rsa(2048).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 's3cret',
  }) as string;
  for (const [what, text, message] of [
    [
      'RSA of 1024 bits',
      pem(rsa(1024).privateKey),
      /the key \(rsa, 1024 bits\) signs no tokens: it must be RSA of 2048/,
    ],
    ['EC of another curve', pem(ec('secp256k1').privateKey), /the key \(ec, secp256k1\) signs no tokens/],
    ['X25519', pem(generateKeyPairSync('x25519').privateKey), /the key \(x25519\) signs no tokens/],
    ['a certificate', selfSigned().cert, /has a certificate, and tokens are signed with the private key/],
    [
      'a public key',
      rsa(2048).publicKey.export({ type: 'spki', format: 'pem' }) as string,
      /has a public key, and/,
    ],
    ['an encrypted key', encrypted, /the key is encrypted/],
    ['a key that is cut short', pkcs1.slice(0, 300), /the private key cannot be used/],
    ['a password', 's3cret\n', /no private key in PEM/],
  ] as const) {
    it(`refuses ${what}, and shows nothing of it`, (t) => {
      const path = file(t, text);
      assert.throws(
        () => readTokenKey(path),
        (error: Error & { code: string; file: string }) => {
          assert.deepEqual([error.code, error.file], ['CREDENTIALS_UNUSABLE', path]);
          assert.match(error.message, message);
          assert.ok(
            !error.message.includes('s3cret') && !error.message.includes(text.slice(40, 60) || 's3cret'),
          );
          return true;
        },
      );
    });
  }

  it('refuses a file that is not there', (t) => {
    assert.throws(() => readTokenKey(join(tempFolder(t), 'none')), /there is no such file/);
  });
});
