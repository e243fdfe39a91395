import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createHostSettings } from '../../../../src/upstream/host-settings.ts';
import { createProxies } from '../../../../src/upstream/http/proxies.ts';
import { defaults, hostConfig, noProxies } from '../asking.ts';

const environment = { http: 'http://plain:3128', https: 'http://secure:3128', no: undefined };

function proxyFor(url: string, no?: string, hosts = [hostConfig('unused')]) {
  const settings = createHostSettings({ ...defaults, hosts });
  const target = new URL(url);
  return createProxies({ ...environment, no }, settings).for(target, target.host)?.hostname;
}

describe('which proxy is used', () => {
  it('is the one for the scheme', () => {
    assert.equal(proxyFor('https://quay.io/'), 'secure');
    assert.equal(proxyFor('http://quay.io/'), 'plain');
    const none = createProxies({ ...noProxies, http: 'http://plain:1' }, createHostSettings(defaults));
    assert.equal(none.for(new URL('https://quay.io'), 'quay.io'), undefined, 'HTTP_PROXY is not for HTTPS');
  });

  const exempt: [string, string, boolean][] = [
    ['https://quay.io', '*', true],
    ['https://quay.io', 'quay.io', true],
    ['https://cdn.quay.io', 'quay.io', true],
    ['https://cdn.quay.io', '.quay.io', true],
    ['https://quay.io', '.quay.io', false],
    ['https://cdn.quay.io', '*.quay.io', true],
    ['https://notquay.io', 'quay.io', false],
    ['https://QUAY.io', 'a, quay.IO b', true],
    ['https://quay.io', 'quay.io:443', true],
    ['https://quay.io:8443', 'quay.io:443', false],
    ['http://quay.io', 'quay.io:80', true],
    ['https://10.1.2.3', '10.0.0.0/8', true],
    ['https://11.1.2.3', '10.0.0.0/8', false],
    ['https://10.1.2.3', '10.1.2.3', true],
    ['https://10.1.2.33', '10.1.2.3', false],
    ['https://110.1.2.3', '10.1.2.3', false],
    ['https://[fd00::5]', 'fd00::/8', true],
    ['https://[fd00::5]:5000', '[fd00::5]:5000', true],
    ['https://[fd00::5]', 'fd00::5', true],
    ['https://quay.io', '10.0.0.0/99,10.0.0.0/,/8,:,]', false],
    ['https://localhost:5000', '', true],
    ['https://127.3.4.5', '', true],
    ['https://[::1]:5000', '', true],
  ];
  for (const [url, no, isDirect] of exempt) {
    it(`${url} with NO_PROXY="${no}": ${isDirect ? 'none' : 'the proxy'}`, () => {
      assert.equal(proxyFor(url, no), isDirect ? undefined : url.startsWith('http:') ? 'plain' : 'secure');
    });
  }

  it('is the host’s own before all others, or none where that says direct', () => {
    const own = [
      hostConfig('quay.io', { proxy: 'https://own:1' }),
      hostConfig('ghcr.io', { proxy: 'direct' }),
    ];
    assert.equal(proxyFor('https://quay.io', '*', own), 'own');
    assert.equal(proxyFor('https://ghcr.io', undefined, own), undefined);
    assert.equal(proxyFor('https://nvcr.io', undefined, own), 'secure');
  });
});
