import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createCertLookup, hostsWithCertificates } from '../../../../src/config/files/certs-d.ts';
import { createCertificateAuthority } from '../../../support/certificates.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const authority = createCertificateAuthority();
const ca = authority.cert;
const otherCa = createCertificateAuthority('Other').cert;
const client = authority.issue({ client: true });
const host = 'r.corp:5000';

/** Files of `certs.d/r.corp:5000`, looked up. */
function lookUp(t: TestContext, files: Record<string, string | Buffer>) {
  const root = tempFolder(t);
  const folder = join(root, host);
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return { root, folder, get: () => createCertLookup([root])(host) };
}

const plain = (pem: string) => pem.replaceAll(/\s/g, '');

describe('CAs in certs.d', () => {
  it('are every certificate in every *.crt, in the order of the names', (t) => {
    const { get, folder } = lookUp(t, {
      'b.crt': `${otherCa}`,
      'a.crt': `comment\n${ca}between\n${otherCa}`,
    });
    const found = get();
    assert.deepEqual(found.ca.map(plain), [ca, otherCa, otherCa].map(plain));
    assert.deepEqual([found.directory, found.pairs], [folder, []]);
  });

  it('may have CRLF line ends and no line end after the last line', (t) => {
    const { get } = lookUp(t, { 'a.crt': ca.replaceAll('\n', '\r\n'), 'b.crt': ca.trimEnd() });
    assert.equal(get().ca.length, 2);
  });

  for (const [what, content] of [
    ['text', 'no certificate'],
    ['nothing', ''],
    ['bytes', Buffer.from([0x30, 0x82, 0xff, 0x00])],
    ['a key', client.key],
    ['broken base64', ca.replace('M', '!')],
    ['base64 that is no certificate', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'],
    ['an unfinished certificate', ca.slice(0, 200)],
    ["a trusted certificate, OpenSSL's own form", ca.replaceAll('CERTIFICATE', 'TRUSTED CERTIFICATE')],
  ] as const) {
    it(`${what} in a *.crt is passed over`, (t) => {
      assert.deepEqual(lookUp(t, { 'a.crt': content, 'b.crt': ca }).get().ca.map(plain), [plain(ca)]);
    });
  }

  it('other names are not read', (t) => {
    assert.deepEqual(lookUp(t, { 'a.CRT': ca, 'a.pem': ca, 'a.crt.bak': ca, crt: ca }).get().ca, []);
  });

  it('a dangling link is passed over, a directory is an error', (t) => {
    const { folder, get } = lookUp(t, { 'b.crt': ca });
    symlinkSync(join(folder, 'nowhere'), join(folder, 'a.crt'));
    assert.equal(get().ca.length, 1);
    mkdirSync(join(folder, 'c.crt'));
    assert.throws(get, { code: 'TLS_UNUSABLE', file: join(folder, 'c.crt') });
  });
});

describe('client certificates in certs.d', () => {
  it('are pairs of X.cert and X.key', (t) => {
    const second = authority.issue({ client: true });
    const { get } = lookUp(t, {
      'b.cert': second.cert,
      'b.key': second.key,
      'a.cert': client.cert,
      'a.key': client.key,
    });
    assert.deepEqual(
      get().pairs.map(({ cert, key }) => [plain(cert), key]),
      [
        [plain(client.cert), client.key],
        [plain(second.cert), second.key],
      ],
    );
  });

  it('may bring their chain', (t) => {
    const { get } = lookUp(t, { 'a.cert': client.cert + ca, 'a.key': client.key });
    assert.equal(plain(get().pairs[0]!.cert), plain(client.cert + ca));
  });

  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const encrypted = privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-128-cbc',
    passphrase: 'x',
  });
  for (const [what, files, culprit, message] of [
    ['without its key', { 'a.cert': client.cert }, 'a.cert', /a\.key.*\.crt/],
    ['with the key under another name', { 'a.cert': client.cert, 'b.key': client.key }, 'a.cert', /a\.key/],
    ['with another key', { 'a.cert': client.cert, 'a.key': authority.issue().key }, 'a.cert', /another key/],
    [
      'with a chain in the wrong order',
      { 'a.cert': ca + client.cert, 'a.key': client.key },
      'a.cert',
      /another key/,
    ],
    ['with a key that is none', { 'a.cert': client.cert, 'a.key': 'x' }, 'a.key', /no private key/],
    ['with an encrypted key', { 'a.cert': client.cert, 'a.key': encrypted }, 'a.key', /encrypted.*openssl/],
    ['that is none', { 'a.cert': 'x', 'a.key': client.key }, 'a.cert', /no certificate/],
    ['that is missing beside its key', { 'a.key': client.key }, 'a.key', /a\.cert/],
  ] as const) {
    it(`one ${what} is an error`, (t) => {
      const { folder, get } = lookUp(t, files);
      assert.throws(get, { code: 'TLS_UNUSABLE', file: join(folder, culprit), message });
    });
  }

  it('one that is a dangling link is an error', (t) => {
    const { folder, get } = lookUp(t, { 'a.key': client.key });
    symlinkSync(join(folder, 'nowhere'), join(folder, 'a.cert'));
    assert.throws(get, { code: 'TLS_UNUSABLE', file: join(folder, 'a.cert') });
  });
});

describe('the directory for a host', () => {
  function directories(t: TestContext) {
    const root = tempFolder(t);
    const all = ['one', 'two', 'three'].map((name) => join(root, name));
    for (const directory of all.slice(1)) {
      mkdirSync(join(directory, host), { recursive: true });
      writeFileSync(join(directory, host, 'a.crt'), ca);
    }
    return { all, lookup: createCertLookup(all) };
  }

  it('is the first that exists, alone, even when it is empty', (t) => {
    const { all, lookup } = directories(t);
    assert.equal(lookup(host).directory, join(all[1]!, host));
    assert.equal(lookup(host).ca.length, 1);
    mkdirSync(join(all[0]!, host), { recursive: true });
    assert.deepEqual(lookup(host), { ca: [], pairs: [], directory: join(all[0]!, host) });
  });

  it('has the port in its name exactly where the host has it', (t) => {
    const { lookup } = directories(t);
    for (const other of ['r.corp', 'r.corp:443', 'R.corp:5000'])
      assert.equal(lookup(other).directory, undefined);
  });

  it('is none where nothing exists', () => {
    assert.deepEqual(createCertLookup([])('h.io'), { ca: [], pairs: [], directory: undefined });
    assert.equal(createCertLookup(['/nowhere/at/all'])('h.io').directory, undefined);
  });

  it('never lies outside of certs.d', (t) => {
    const { all } = directories(t);
    const lookup = createCertLookup([join(all[1]!, 'certs.d'), all[1]!]);
    mkdirSync(join(all[1]!, 'certs.d'));
    for (const name of [
      '..',
      '.',
      '',
      '../two',
      `../${host}`,
      '/etc',
      `x/../${host}`,
      `${host}/`,
      `${host}\0`,
      '-',
      ' ',
    ]) {
      assert.deepEqual(lookup(name), { ca: [], pairs: [], directory: undefined }, name);
    }
  });

  it('is an error where a file is in its place', (t) => {
    const root = tempFolder(t);
    writeFileSync(join(root, host), '');
    assert.throws(() => createCertLookup([root])(host), { code: 'TLS_UNUSABLE', file: join(root, host) });
    assert.throws(() => createCertLookup([join(root, host)])(host), { code: 'TLS_UNUSABLE' });
  });
});

it('the hosts that have a directory are listed without a look at each host', (t) => {
  const { root } = lookUp(t, { 'ca.crt': ca });
  mkdirSync(join(root, 'm.corp'));
  assert.deepEqual([...hostsWithCertificates([root, join(root, 'absent')])].sort(), ['m.corp', host]);
});
