import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { readKeyPair } from '../../../../src/config/files/key-pair.ts';
import { createCertificateAuthority } from '../../../support/certificates.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const authority = createCertificateAuthority();
const issued = authority.issue();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;

function pair(t: TestContext, cert: string | undefined, key: string | undefined) {
  const folder = tempFolder(t);
  if (cert !== undefined) writeFileSync(join(folder, 'tls.crt'), cert);
  if (key !== undefined) writeFileSync(join(folder, 'tls.key'), key);
  const read = () => readKeyPair(join(folder, 'tls.crt'), join(folder, 'tls.key'), 'mend its name');
  return { folder, read };
}

describe('a certificate and its key', () => {
  it('are read from PEM, the chain with them, whatever text stands around it', (t) => {
    const { read } = pair(t, `subject=x\n${issued.cert}\nthe authority:\n${authority.cert}`, issued.key);
    const { cert, key } = read();
    assert.equal(cert.match(/BEGIN CERTIFICATE/g)?.length, 2);
    assert.doesNotMatch(cert, /subject|authority/);
    assert.equal(key, issued.key);
  });

  const secret = { cipher: 'aes-128-cbc', passphrase: 'x', format: 'pem' } as const;
  for (const [what, cert, key, culprit, message] of [
    ['a certificate that is not there', undefined, issued.key, 'tls.crt', /no such file.*mend its name/],
    ['a key that is not there', issued.cert, undefined, 'tls.key', /no such file.*mend its name/],
    ['a certificate that is none', 'x', issued.key, 'tls.crt', /no certificate in PEM/],
    ['a key that is none', issued.cert, issued.cert, 'tls.key', /no private key in PEM/],
    ['a damaged key', issued.cert, issued.key.replace(/\nM/, '\n!'), 'tls.key', /key cannot be used/],
    [
      'an encrypted key',
      issued.cert,
      rsa.export({ type: 'pkcs8', ...secret }),
      'tls.key',
      /encrypted.*openssl pkey -in tls\.key/,
    ],
    [
      'a key that is encrypted in the old way',
      issued.cert,
      rsa.export({ type: 'pkcs1', ...secret }),
      'tls.key',
      /encrypted/,
    ],
    ['the key of another', issued.cert, authority.issue().key, 'tls.crt', /another key.*tls\.key/],
    ['a chain in the wrong order', authority.cert + issued.cert, issued.key, 'tls.crt', /comes first/],
  ] as const) {
    it(`are refused for ${what}`, (t) => {
      const { folder, read } = pair(t, cert, key?.toString());
      assert.throws(read, { code: 'TLS_UNUSABLE', file: join(folder, culprit), message });
    });
  }

  it('are refused where a file cannot be read', (t) => {
    const { folder, read } = pair(t, issued.cert, undefined);
    mkdirSync(join(folder, 'tls.key'));
    assert.throws(read, { code: 'TLS_UNUSABLE', file: join(folder, 'tls.key'), message: /directory/ });
  });

  it('are refused where the user may not read the key', { skip: process.getuid?.() === 0 }, (t) => {
    const { folder, read } = pair(t, issued.cert, issued.key);
    chmodSync(join(folder, 'tls.key'), 0);
    assert.throws(read, {
      code: 'TLS_UNUSABLE',
      file: join(folder, 'tls.key'),
      message: /permission denied/,
    });
  });

  it('may be links, but not ones that lead nowhere', (t) => {
    const { folder, read } = pair(t, undefined, issued.key);
    symlinkSync('real.crt', join(folder, 'tls.crt'));
    assert.throws(read, { code: 'TLS_UNUSABLE', file: join(folder, 'tls.crt') });
    writeFileSync(join(folder, 'real.crt'), issued.cert);
    assert.equal(read().key, issued.key);
  });
});
