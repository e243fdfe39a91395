import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeFault } from '../../../../src/upstream/http/transport-fault.ts';

describe('faults in words', () => {
  const context = { host: 'reg.corp:5000', connectTimeout: 3000 };
  const cases: [Record<string, unknown>, string, string][] = [
    [{ code: 'ECONNREFUSED' }, 'refused', 'connection refused'],
    [{ code: 'EHOSTUNREACH' }, 'refused', 'no route to the host'],
    [{ code: 'ENOTFOUND' }, 'dns', 'DNS name not found'],
    [{ code: 'EAI_AGAIN' }, 'dns', 'no DNS server answered'],
    [{ code: 'UND_ERR_CONNECT_TIMEOUT' }, 'timeout', 'no connection within 3 s'],
    [
      { code: 'CERT_HAS_EXPIRED', validTo: 'Jan  2 03:04:05 2026 GMT' },
      'tls',
      'certificate expired on 2026-01-02',
    ],
    [{ code: 'CERT_HAS_EXPIRED', validTo: 'nonsense' }, 'tls', 'certificate expired'],
    [
      { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
      'tls',
      'self-signed certificate: put its CA into certs.d/reg.corp:5000, or mark the endpoint insecure',
    ],
    [
      { code: 'ERR_TLS_CERT_ALTNAME_INVALID', cert: { subjectaltname: 'DNS:a.corp, DNS:b.corp' } },
      'tls',
      'certificate is for a.corp, b.corp, not for this host',
    ],
    [
      {
        code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
        message: 'error:0A00045C:SSL routines:x:tlsv13 alert certificate required:y',
      },
      'tls',
      'TLS handshake failed (certificate required)',
    ],
    [
      { code: 'EPROTO', message: 'write EPROTO ... wrong version number' },
      'notTls',
      'speaks plain HTTP, not HTTPS: mark the endpoint insecure if that is meant',
    ],
    [
      {
        code: 'ECONNRESET',
        message: 'Client network socket disconnected before secure TLS connection was established',
      },
      'closed',
      'connection closed in the TLS handshake: if it speaks plain HTTP, mark the endpoint insecure',
    ],
    [
      { code: 'UNSPECIFIED', message: 'EE certificate key too weak' },
      'tls',
      'certificate refused: EE certificate key too weak',
    ],
    [{ code: 'UND_ERR_DESTROYED' }, 'aborted', 'given up: Entrepot is stopping'],
    [{ code: 'EWHATEVER', message: 'x' }, 'broken', 'connection failed (EWHATEVER)'],
  ];
  for (const [error, kind, reason] of cases) {
    it(reason, () => {
      assert.deepEqual(describeFault(Object.assign(new Error(''), error), context), { kind, reason });
    });
  }

  it('whatever was thrown', () => {
    for (const thrown of [undefined, null, 'text', 7, {}])
      assert.equal(describeFault(thrown, context).kind, 'broken');
  });

  it('names the proxy that stands between, when it may be to blame', () => {
    const proxied = { ...context, proxy: 'squid.corp:3128' };
    const told = (error: object) => describeFault(Object.assign(new Error(''), error), proxied).reason;
    assert.equal(told({ code: 'ECONNREFUSED' }), 'proxy squid.corp:3128: connection refused');
    assert.equal(told({ code: 'UND_ERR_HEADERS_TIMEOUT' }), 'proxy squid.corp:3128: no answer in time');
    for (const message of [
      'Proxy response (502) !== 200 when HTTP Tunneling',
      'Proxy Authentication Required (502)',
    ]) {
      assert.equal(told({ message }), 'the proxy squid.corp:3128 refused (HTTP 502)');
    }
    assert.match(
      told({ code: 'ECONNRESET' }),
      /^connection closed .* \(through the proxy squid.corp:3128\)$/,
    );
    assert.match(told({ code: 'CERT_HAS_EXPIRED' }), /^certificate expired$/);
  });
});
