import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PeerCertificate } from 'node:tls';
import { certificateNames, certificatePrincipal } from '../../../src/access/certificate-names.ts';

const names = (CN: string | string[] | undefined, subjectaltname?: string) =>
  certificateNames({
    subject: { CN } as unknown as PeerCertificate['subject'],
    ...(subjectaltname !== undefined && { subjectaltname }),
  });

describe('names of a client certificate', () => {
  it('are the common name first, then each alternative name with its kind', () => {
    assert.deepEqual(
      names(
        'node-1',
        'DNS:node-1.corp, IP Address:192.0.2.1, email:a@b.c, URI:spiffe://corp/node, Registered ID:1.2.3',
      ),
      ['cn=node-1', 'dns=node-1.corp', 'ip=192.0.2.1', 'email=a@b.c', 'uri=spiffe://corp/node'],
    );
  });

  it('have each IPv6 address in its short form, as URLs and logs have it', () => {
    assert.deepEqual(names('a', 'IP Address:FD00:0:0:0:0:0:0:1'), ['cn=a', 'ip=fd00::1']);
  });

  it('stay one name where one pretends to be two: Node quotes it', () => {
    assert.deepEqual(names('a', 'DNS:"evil.corp, DNS:admin.corp"'), [
      'cn=a',
      'dns=evil.corp, DNS:admin.corp',
    ]);
    assert.deepEqual(names('a', 'DNS:"x\\", DNS:admin.corp", DNS:b.corp'), [
      'cn=a',
      'dns=x", DNS:admin.corp',
      'dns=b.corp',
    ]);
  });

  it('end where the text has another form', () => {
    assert.deepEqual(names('a', 'DNS:b.corp, DNS:"open, DNS:admin.corp'), ['cn=a', 'dns=b.corp']);
    assert.deepEqual(names('a', 'DNS:"\\x", DNS:b.corp'), ['cn=a', 'dns=b.corp'], 'no JSON text');
    assert.deepEqual(names('a', 'DNS:'), ['cn=a']);
  });

  it('are none without a certificate, and such a client is no principal', () => {
    assert.deepEqual(certificateNames({}), []);
    assert.deepEqual(certificateNames(undefined), []);
    assert.deepEqual(names(undefined), []);
    assert.equal(certificatePrincipal([]), undefined);
    assert.deepEqual(certificatePrincipal(['cn=a', 'dns=b']), {
      kind: 'certificate',
      name: 'cn=a',
      names: ['cn=a', 'dns=b'],
    });
    assert.deepEqual(names(['a', 'b']), ['cn=a', 'cn=b']);
  });
});
