import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { readTlsFiles, tlsFileProblems, tlsProblem } from '../../../../src/config/files/tls-files.ts';
import { createCertificateAuthority, expired } from '../../../support/certificates.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const authority = createCertificateAuthority();
const none = { certificate: undefined, key: undefined, clientCa: undefined };

function files(t: TestContext, { cert, key }: { cert: string; key: string }, clientCa?: string) {
  const folder = tempFolder(t);
  const place = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  return {
    certificate: place('tls.crt', cert),
    key: place('tls.key', key),
    clientCa: clientCa === undefined ? undefined : place('client-ca.crt', clientCa),
  };
}

describe('the files of [tls]', () => {
  it('are not looked for where none is named', () => {
    assert.equal(readTlsFiles(none, Date.now()), undefined);
  });

  it('are the pair, and the CAs of the clients, one or several', (t) => {
    const other = createCertificateAuthority().cert;
    const read = readTlsFiles(files(t, authority.issue(), authority.cert + other), Date.now());
    assert.equal(read?.clientCa?.length, 2);
    assert.deepEqual(read?.warnings, []);
    assert.equal(readTlsFiles(files(t, authority.issue()), Date.now())?.clientCa, undefined);
  });

  it('may have expired, which is warned of with the day', (t) => {
    const { notBefore, notAfter } = expired();
    const paths = files(
      t,
      authority.issue({ ...(notBefore && { notBefore }), ...(notAfter && { notAfter }) }),
    );
    const read = readTlsFiles(paths, Date.now());
    const day = notAfter?.toISOString().slice(0, 10);
    assert.deepEqual(read?.warnings, [
      { file: paths.certificate, message: `the certificate expired on ${day}: clients will refuse it` },
    ]);
  });

  it('may expire soon, which is warned of for 30 days, and as urgent for 7', (t) => {
    const end = new Date('2030-01-31T00:00:00Z');
    const paths = files(t, authority.issue({ notAfter: end }));
    const daysBefore = (days: number) =>
      readTlsFiles(paths, end.getTime() - days * 86_400_000)?.warnings.map(({ message }) => message);
    assert.deepEqual(daysBefore(31), []);
    assert.deepEqual(daysBefore(29), ['the certificate expires on 2030-01-31, in 29 days: renew it']);
    assert.deepEqual(daysBefore(6), ['the certificate expires on 2030-01-31, in 6 days: renew it now']);
    assert.deepEqual(daysBefore(0.5), [
      'the certificate expires on 2030-01-31, in less than a day: renew it now',
    ]);
    assert.deepEqual(readTlsFiles(paths, 0)?.expiries, [{ file: paths.certificate, at: end.getTime() }]);
  });

  it('are refused with every file that is missing, not only the first', () => {
    const paths = { certificate: '/nowhere/tls.crt', key: '/nowhere/tls.key', clientCa: '/nowhere/ca.crt' };
    assert.deepEqual(
      tlsFileProblems(paths).map(({ file }) => file),
      Object.values(paths),
    );
    assert.throws(() => readTlsFiles(paths, 0), {
      code: 'TLS_UNUSABLE',
      message: /tls\.certificate.*tls\.key: there is no such file.*ca\.crt: there is no such file/s,
    });
  });

  it('are refused where the CAs are none, or gone', (t) => {
    const paths = files(t, authority.issue(), 'x');
    const { clientCa: file } = paths;
    const wayOut = /tls\.client_ca names/;
    assert.throws(() => readTlsFiles(paths, 0), { code: 'TLS_UNUSABLE', file, message: wayOut });
    const gone = { ...paths, clientCa: '/nowhere/ca.crt' };
    assert.throws(() => readTlsFiles(gone, 0), { code: 'TLS_UNUSABLE', message: /no such file/ });
  });
});

describe('the names of [tls]', () => {
  it('are all right when there is none, or certificate and key', () => {
    assert.equal(tlsProblem(none, 'e.toml'), undefined);
    assert.equal(tlsProblem({ ...none, certificate: '/c', key: '/k' }, 'e.toml'), undefined);
    assert.equal(tlsProblem({ certificate: '/c', key: '/k', clientCa: '/a' }, 'e.toml'), undefined);
  });

  it('are wrong when one of the two is missing, and the message says which', () => {
    for (const [tls, message] of [
      [{ certificate: '/c' }, /beside \/c, tls\.key \(ENTREPOT_TLS_KEY\) must be set$/],
      [{ key: '/k' }, /beside \/k, tls\.certificate \(ENTREPOT_TLS_CERTIFICATE\) must be set$/],
      [{ clientCa: '/a' }, /beside \/a, tls\.certificate .* and tls\.key .* must be set$/],
    ] as const) {
      const problem = tlsProblem({ ...none, ...tls }, 'e.toml');
      assert.deepEqual([problem?.code, problem?.file], ['CONFIG_INVALID', 'e.toml']);
      assert.match(problem?.message ?? '', message);
    }
  });
});
