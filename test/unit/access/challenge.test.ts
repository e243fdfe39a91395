import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createChallenge } from '../../../src/access/challenge.ts';

const challenge = createChallenge({ realm: undefined, service: 'entrepot' });

describe('a challenge', () => {
  it('sends the client to /token of the name that it used', () => {
    for (const host of [
      'mirror.corp',
      'mirror.corp:5000',
      '192.0.2.1:5000',
      '[2001:db8::1]:5000',
      'localhost',
    ])
      assert.equal(
        challenge({ host, secure: true }),
        `Bearer realm="https://${host}/token",service="entrepot"`,
      );
    assert.match(challenge({ host: 'a', secure: false }), /realm="http:\/\/a\/token"/);
  });

  it('holds no other text of a Host header', () => {
    for (const host of [
      'evil.corp/x?',
      'a@evil.corp',
      'evil.corp",service="x',
      'a b',
      'a\\',
      'a\u0000',
      'a\r\nSet-Cookie: x=y',
      'evil.corp#',
      'a:b',
      'a,b',
      '-',
      '',
      undefined,
    ])
      assert.match(challenge({ host, secure: false }), /^Bearer realm="http:\/\/localhost\/token",/, host);
  });

  it('names scope and error', () => {
    const text = challenge({
      host: 'h',
      secure: false,
      scope: { name: 'quay.io/a', rights: ['pull', 'push'] },
      error: 'insufficient_scope',
    });
    assert.match(text, /,scope="repository:quay\.io\/a:pull,push",error="insufficient_scope"$/);
  });

  it('sends the client to the configured realm, whatever Host says', () => {
    const fixed = createChallenge({ realm: 'https://gitlab.corp/jwt/auth', service: 'container_registry' });
    assert.equal(
      fixed({ host: 'evil.corp', secure: false }),
      'Bearer realm="https://gitlab.corp/jwt/auth",service="container_registry"',
    );
  });
});
