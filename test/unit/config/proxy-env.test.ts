import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readProxyEnvironment } from '../../../src/config/proxy-env.ts';

describe('readProxyEnvironment', () => {
  it('finds nothing in an empty environment, and an empty variable is an unset one', () => {
    const none = { http: undefined, https: undefined, no: undefined };
    assert.deepEqual(readProxyEnvironment({}), none);
    assert.deepEqual(readProxyEnvironment({ http_proxy: '', HTTPS_PROXY: ' ', no_proxy: '' }), none);
  });

  it('prefers lower case', () => {
    const { http, no } = readProxyEnvironment({
      http_proxy: 'http://lower.example:1',
      HTTP_PROXY: 'http://upper.example:2',
      NO_PROXY: '.corp,10.0.0.0/8',
    });
    assert.deepEqual([http, no], ['http://lower.example:1/', '.corp,10.0.0.0/8']);
  });

  it('falls back to upper case where lower case is empty', () => {
    assert.equal(
      readProxyEnvironment({ https_proxy: '', HTTPS_PROXY: 'https://p.example' }).https,
      'https://p.example/',
    );
  });

  it('takes a proxy without a scheme for an HTTP proxy', () => {
    assert.equal(readProxyEnvironment({ https_proxy: 'p.example:3128' }).https, 'http://p.example:3128/');
  });

  it('keeps the password of the proxy', () => {
    assert.equal(
      readProxyEnvironment({ http_proxy: 'http://u:p@p.example:1' }).http,
      'http://u:p@p.example:1/',
    );
  });

  for (const value of [
    'socks5://p.example:1080',
    'http://',
    'http://p.example:99999',
    'http://u:s3cret@p.example/x?y',
  ]) {
    it(`refuses ${value} by the name of its variable and without showing it`, () => {
      assert.throws(
        () => readProxyEnvironment({ HTTPS_PROXY: value }),
        (error: Error) => {
          assert.match(error.message, /HTTPS_PROXY/);
          assert.ok(!error.message.includes('s3cret') && !error.message.includes('p.example:1080'));
          return true;
        },
      );
    });
  }
});
