import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judgeRealm, type RealmContext } from '../../../../src/upstream/auth/realms.ts';

const judge = (realm: string, host: string, more: Partial<RealmContext> = {}) =>
  judgeRealm(realm, {
    registry: new URL(`https://${host}`),
    host,
    insecure: false,
    ownAddressScope: 'any',
    registryKind: 'public',
    tokenRealms: [],
    ...more,
  });

describe('token servers that may be given credentials', () => {
  const trusted: [string, string][] = [
    ['https://ghcr.io/token', 'ghcr.io'],
    ['https://quay.io/v2/auth', 'quay.io'],
    ['https://gitlab.com/jwt/auth', 'registry.gitlab.com'],
    ['https://nvcr.io/proxy_auth', 'nvcr.io'],
    ['https://auth.corp.co.uk/token', 'registry.corp.co.uk'],
    ['https://reg.corp:8443/token', 'reg.corp:5000'],
    ['https://my.azurecr.io/oauth2/token', 'my.azurecr.io'],
    ['https://10.1.2.3:5001/token', '10.1.2.3:5000'],
  ];
  for (const [realm, host] of trusted) {
    it(`${realm} for ${host}`, () => assert.equal(judge(realm, host).kind, 'trusted'));
  }

  it('https://auth.docker.io/token for docker.io, which is asked as registry-1.docker.io', () => {
    const registry = new URL('https://registry-1.docker.io');
    assert.equal(judge('https://auth.docker.io/token', 'docker.io', { registry }).kind, 'trusted');
  });

  it('those that the configuration lists, by host, host and port, or domain', () => {
    for (const entry of ['sso.other.com', 'sso.other.com:8443', '*.other.com']) {
      assert.equal(
        judge('https://sso.other.com:8443/t', 'r.corp.com', { tokenRealms: [entry] }).kind,
        'trusted',
      );
    }
    for (const entry of ['other.com', 'sso.other.com:443', '*.sso.other.com', '*.er.com']) {
      assert.equal(
        judge('https://sso.other.com:8443/t', 'r.corp.com', { tokenRealms: [entry] }).kind,
        'anonymous',
      );
    }
  });
});

describe('token servers that are asked without credentials', () => {
  const foreign: [string, string][] = [
    ['https://evil.com/token', 'quay.io'],
    ['https://quay.io.evil.com/token', 'quay.io'],
    ['https://evilquay.io/token', 'quay.io'],
    ['https://evil.co.uk/token', 'corp.co.uk'],
    ['https://evil.com.au/token', 'reg.com.au'],
    ['https://evil.uk.com/token', 'corp.uk.com'],
    ['https://evil.github.io/token', 'corp.github.io'],
    ['https://evil.azurecr.io/oauth2/token', 'corp.azurecr.io'],
    ['https://2.dkr.ecr.eu-west-1.amazonaws.com/t', '1.dkr.ecr.eu-west-1.amazonaws.com'],
    ['https://auth.corp/token', 'registry.corp'],
    ['https://1.2.3.4/token', 'registry.corp.com'],
    ['https://9.2.3.4/token', '1.2.3.4:5000'],
  ];
  for (const [realm, host] of foreign) {
    it(`${realm} for ${host}, with the way out`, () => {
      const judged = judge(realm, host);
      assert.equal(judged.kind, 'anonymous');
      assert.match(judged.kind === 'anonymous' ? judged.reason : '', /list it in upstream\.token_realms/);
    });
  }
});

describe('token servers that are not asked at all', () => {
  const refused: [string, string, Partial<RealmContext>][] = [
    ['http://quay.io/token', 'quay.io', {}],
    ['ftp://quay.io/token', 'quay.io', {}],
    ['token', 'quay.io', {}],
    ['', 'quay.io', {}],
    ['https://user:pw@quay.io/token', 'quay.io', {}],
    ['https://169.254.169.254/latest/meta-data', 'quay.io', {}],
    ['https://[fd00:ec2::254]/latest', 'quay.io', {}],
    ['https://[::ffff:169.254.169.254]/', 'quay.io', {}],
    ['https://127.0.0.1:6443/token', 'quay.io', {}],
    ['https://localhost/token', 'quay.io', {}],
    ['https://10.0.0.1/token', 'quay.io', {}],
    ['https://10.0.0.1/token', 'quay.io', { registryKind: undefined }],
    ['https://127.0.0.1/token', '10.0.0.9', { registryKind: 'private' }],
    ['https://169.254.169.254/t', '127.0.0.1:5000', { registryKind: 'loopback', insecure: true }],
  ];
  for (const [realm, host, more] of refused) {
    it(`${realm} for ${host} (${more.registryKind ?? 'public'})`, () => {
      assert.equal(judge(realm, host, more).kind, 'refused');
    });
  }

  it('but plain HTTP is good for an insecure registry, and a near one for one as near', () => {
    const near = { insecure: true, registryKind: 'loopback' } as const;
    assert.equal(judge('http://127.0.0.1:5001/token', '127.0.0.1:5000', near).kind, 'trusted');
    assert.equal(
      judge('http://10.0.0.2/token', '10.0.0.1', { insecure: true, registryKind: 'private' }).kind,
      'anonymous',
    );
  });
});
