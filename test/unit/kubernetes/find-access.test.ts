import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { findApiAccess } from '../../../src/kubernetes/find-access.ts';
import { createCertificateAuthority } from '../../support/certificates.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const authority = createCertificateAuthority();
const account = '/var/run/secrets/kubernetes.io/serviceaccount';
const base64 = (text: string) => Buffer.from(text).toString('base64');

function surroundings(t: TestContext, env: Readonly<Record<string, string>>) {
  const folder = tempFolder(t);
  return { env, home: join(folder, 'home'), uid: 1000, root: folder };
}

function place(path: string, text: string): string {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
}

describe('the account of the pod', () => {
  it('is asked for at the address that Kubernetes gives, with the token as it is at each request', (t) => {
    const pod = surroundings(t, { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' });
    const token = place(join(pod.root, account, 'token'), 'first');
    place(join(pod.root, account, 'ca.crt'), authority.cert);
    const access = findApiAccess(pod);
    assert.equal(access.server.href, 'https://[fd00::1]:6443/');
    assert.deepEqual([access.verify, access.proxy, access.pair()], [true, 'direct', undefined]);
    assert.equal(access.ca()?.length, 1);
    assert.equal(access.token(), 'first');
    writeFileSync(token, 'second\n');
    assert.equal(access.token(), 'second');
  });

  it('is missed with advice if the pod mounts no token', (t) => {
    const pod = surroundings(t, { KUBERNETES_SERVICE_HOST: '10.0.0.1' });
    assert.throws(() => findApiAccess(pod), /no token: set automountServiceAccountToken/);
  });

  it('is not used if KUBECONFIG names a file', (t) => {
    const pod = surroundings(t, { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBECONFIG: '/nowhere/config' });
    assert.throws(() => findApiAccess(pod), /correct KUBECONFIG/);
  });
});

it('without a pod, KUBECONFIG and ~/.kube/config, the error names the ways', (t) => {
  assert.throws(() => findApiAccess(surroundings(t, {})), /run in a pod, or set KUBECONFIG/);
});

describe('a kubeconfig file', () => {
  function withFile(t: TestContext, cluster: object, user: object, more: object = {}) {
    const here = surroundings(t, {});
    const file = {
      'current-context': 'b',
      contexts: [
        { name: 'a', context: { cluster: 'other', user: 'other' } },
        { name: 'b', context: { cluster: 'c', user: 'u', namespace: 'n' } },
      ],
      clusters: [{ name: 'c', cluster: { server: 'https://api.corp:6443', ...cluster } }],
      users: [{ name: 'u', user }],
      ...more,
    };
    place(join(here.home, '.kube/config'), JSON.stringify(file));
    return { folder: join(here.home, '.kube'), read: () => findApiAccess(here) };
  }

  it('gives cluster and user of the current context, with data in the file', (t) => {
    const { key, cert } = authority.issue({ client: true, hosts: [] });
    const cluster = {
      server: 'https://rancher.corp/k8s/clusters/c-1',
      'certificate-authority-data': base64(authority.cert),
      'tls-server-name': 'api.corp',
      'proxy-url': 'http://proxy.corp:3128',
    };
    const user = { 'client-certificate-data': base64(cert), 'client-key-data': base64(key) };
    const access = withFile(t, cluster, user).read();
    assert.equal(access.server.href, 'https://rancher.corp/k8s/clusters/c-1');
    assert.deepEqual(access.pair(), { cert, key });
    assert.deepEqual(access.ca(), [authority.cert.trim()]);
    assert.deepEqual([access.serverName, access.proxy], ['api.corp', 'http://proxy.corp:3128']);
    assert.deepEqual([access.token(), access.verify], [undefined, true]);
  });

  it('may name files, relative to itself', (t) => {
    const { key, cert } = authority.issue({ client: true, hosts: [] });
    const cluster = { 'certificate-authority': 'ca.pem', 'insecure-skip-tls-verify': true };
    const user = { tokenFile: 'token', token: 'old', 'client-certificate': 'c.pem', 'client-key': 'k.pem' };
    const { folder, read } = withFile(t, cluster, user);
    place(join(folder, 'ca.pem'), authority.cert);
    place(join(folder, 'token'), 'new\n');
    place(join(folder, 'c.pem'), cert);
    place(join(folder, 'k.pem'), key);
    const access = read();
    assert.deepEqual([access.ca()?.length, access.token(), access.verify], [1, 'new', false]);
    assert.match(access.pair()?.key ?? '', /PRIVATE KEY/);
  });

  const wrong: readonly (readonly [string, object, object, RegExp, object?])[] = [
    [
      'a program that logs in',
      {},
      { exec: { command: 'aws' } },
      /exec runs a program, which Entrepot does not/,
    ],
    ['an auth provider', {}, { 'auth-provider': { name: 'gcp' } }, /auth-provider is not supported/],
    ['another user to act as', {}, { token: 't', as: 'admin' }, /as is not supported/],
    ['a password', {}, { username: 'a', password: 'b' }, /username is not supported/],
    ['plain HTTP', { server: 'http://api.corp' }, {}, /server must be an https:\/\/ URL/],
    ['an account in the URL', { server: 'https://a:b@api.corp' }, {}, /server must be an https:\/\/ URL/],
    ['a certificate without its key', {}, { 'client-certificate': 'c.pem' }, /needs its key/],
    ['a CA that is none', { 'certificate-authority-data': base64('x') }, {}, /has no certificate in PEM/],
    ['a token with a line break', {}, { token: 'a\nb' }, /characters that no token has/],
    ['an unknown context', {}, {}, /contexts has no context called "x"/, { 'current-context': 'x' }],
    ['no context', {}, {}, /no current-context/, { 'current-context': '' }],
  ];
  for (const [what, cluster, user, message, more] of wrong) {
    it(`is refused for ${what}`, (t) => {
      assert.throws(withFile(t, cluster, user, more).read, message);
    });
  }
});
