import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { createCertificateAuthority, expired, selfSigned } from '../../support/certificates.ts';
import { startFakeRegistry } from '../../support/fake-registry.ts';
import { get } from '../../support/http-client.ts';

test('an issued certificate is trusted through its authority, for the hosts it names', async (t) => {
  const authority = createCertificateAuthority();
  const registry = await startFakeRegistry({ tls: authority.issue() });
  t.after(registry.stop);
  assert.equal((await get(`${registry.url}/v2/`, { ca: authority.cert })).status, 200);
  const byName = registry.url.replace('127.0.0.1', 'localhost');
  assert.equal((await get(`${byName}/v2/`, { ca: authority.cert })).status, 200);
});

test('a client that does not know the authority refuses', async (t) => {
  const registry = await startFakeRegistry({ tls: createCertificateAuthority().issue() });
  t.after(registry.stop);
  const stranger = createCertificateAuthority('Somebody else').cert;
  await assert.rejects(get(`${registry.url}/v2/`, { ca: stranger }), {
    code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  });
});

test('expired, for another host, and self-signed are refused for just that', async (t) => {
  const authority = createCertificateAuthority();
  const faulty = [
    { tls: authority.issue(expired()), code: 'CERT_HAS_EXPIRED' },
    { tls: authority.issue({ hosts: ['registry.test'] }), code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    { tls: selfSigned(), code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
  ];
  for (const { tls, code } of faulty) {
    const registry = await startFakeRegistry({ tls });
    t.after(registry.stop);
    await assert.rejects(get(`${registry.url}/v2/`, { ca: authority.cert }), { code });
  }
});

test('a server that demands a client certificate gets one', async (t) => {
  const authority = createCertificateAuthority();
  const registry = await startFakeRegistry({ tls: { ...authority.issue(), clientCa: authority.cert } });
  t.after(registry.stop);
  const client = authority.issue({ client: true });
  assert.equal((await get(`${registry.url}/v2/`, { ca: authority.cert, client })).status, 200);
  await assert.rejects(get(`${registry.url}/v2/`, { ca: authority.cert }));
});

test('the encoding reads back as what was asked for', () => {
  const { cert } = createCertificateAuthority().issue({
    hosts: ['m1.corp', '*.corp', '10.0.0.7', '::1', 'fd00::2:1'],
    commonName: 'm1',
    notAfter: new Date('2091-02-03T04:05:06Z'),
  });
  const read = new X509Certificate(cert);
  assert.equal(
    read.subjectAltName,
    'DNS:m1.corp, DNS:*.corp, IP Address:10.0.0.7, IP Address:0:0:0:0:0:0:0:1, IP Address:FD00:0:0:0:0:0:2:1',
  );
  assert.equal(read.subject, 'CN=m1');
  assert.equal(read.validToDate.toISOString(), '2091-02-03T04:05:06.000Z');
});
