import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import { createClientAddress } from '../../../src/http/client-address.ts';

const proxies = ['10.0.0.0/8', '2001:db8:aa::/48', '127.0.0.1'];

/** The address of a client whose connection comes from `peer`. */
function addressOf(peer: string | undefined, headers: IncomingHttpHeaders, trusted = proxies) {
  return createClientAddress(trusted).addressOf({
    headers,
    socket: { remoteAddress: peer } as IncomingMessage['socket'],
  });
}
const listed = (value: string, peer = '10.0.0.2') => addressOf(peer, { 'x-forwarded-for': value });
const forwarded = (value: string, peer = '10.0.0.2') => addressOf(peer, { forwarded: value });

describe('the address of a client', () => {
  it('is the peer where no proxy is trusted, whatever headers say', () => {
    const headers = { 'x-forwarded-for': '203.0.113.7', forwarded: 'for=203.0.113.7' };
    assert.equal(addressOf('10.0.0.2', headers, []), '10.0.0.2');
    assert.equal(addressOf('::ffff:10.0.0.2', headers, []), '::ffff:10.0.0.2');
    assert.equal(addressOf(undefined, headers, []), '');
  });

  it('is the peer where that is no trusted proxy, whatever headers say', () => {
    const headers = { 'x-forwarded-for': '203.0.113.7, 10.0.0.3', forwarded: 'for=203.0.113.7' };
    for (const [peer, address] of [
      ['192.0.2.1', '192.0.2.1'],
      ['::ffff:192.0.2.1', '192.0.2.1'],
      ['2001:db8:ab::1', '2001:db8:ab::1'],
      ['fe80::1%eth0', 'fe80::1'],
      ['11.0.0.1', '11.0.0.1'],
      [undefined, ''],
    ] as const)
      assert.equal(addressOf(peer, headers), address, peer);
  });

  it('is the peer where a trusted proxy names none', () => {
    assert.equal(addressOf('10.0.0.2', {}), '10.0.0.2');
    assert.equal(addressOf('::ffff:10.0.0.2', {}), '10.0.0.2');
    assert.equal(listed(''), '10.0.0.2');
    assert.equal(forwarded(''), '10.0.0.2');
  });

  for (const [value, address] of [
    ['203.0.113.7', '203.0.113.7'],
    [' 203.0.113.7 ', '203.0.113.7'],
    ['203.0.113.7:4711', '203.0.113.7'],
    ['2001:DB8::0:7', '2001:db8::7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['[2001:db8::7]:4711', '2001:db8::7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['[::ffff:cb00:7107]:1', '203.0.113.7'],
    ['198.51.100.9, 203.0.113.7', '203.0.113.7'],
    ['198.51.100.9, 203.0.113.7, 10.0.0.3, 2001:db8:aa::4', '203.0.113.7'],
    ['198.51.100.9,203.0.113.7,\t::ffff:10.0.0.3', '203.0.113.7'],
    ['10.0.0.5, 10.0.0.4', '10.0.0.5'],
    ['nonsense, 203.0.113.7', '203.0.113.7'],
  ] as const) {
    it(`is ${address} by X-Forwarded-For: ${JSON.stringify(value)}`, () => {
      assert.equal(listed(value), address);
      assert.equal(listed(value, '2001:db8:aa::1'), address);
    });
  }

  for (const value of [
    'unknown',
    '203.0.113.7,',
    '203.0.113.7, unknown',
    '203.0.113.7, _hidden',
    '203.0.113.300',
    '203.0.113',
    '0313.0.113.7',
    '203.0.113.7:',
    '203.0.113.7:99999',
    '203.0.113.7:80:80',
    '[203.0.113.7]',
    '[2001:db8::7',
    '2001:db8::7]:80',
    'fe80::1%eth0',
    '[fe80::1%25eth0]',
    '203.0.113.7;',
    '203.0.113.7 198.51.100.9',
    '203.0.113.0/24',
    'client.example',
    '"203.0.113.7"',
    '٢٠٣.0.113.7',
    `${'9'.repeat(10_000)}.1.1.1`,
  ])
    it(`is the proxy for X-Forwarded-For: ${JSON.stringify(value.slice(0, 40))}`, () => {
      assert.equal(listed(value), '10.0.0.2');
    });

  it('is the trusted proxy that wrote an entry which is no address', () => {
    assert.equal(listed('203.0.113.7, unknown, 10.0.0.9'), '10.0.0.9');
  });

  it('counts the lines of a header that was sent twice as one list', () => {
    assert.equal(
      addressOf('10.0.0.2', { 'x-forwarded-for': ['198.51.100.9', '203.0.113.7'] as unknown as string }),
      '203.0.113.7',
    );
  });

  it('is found in the last 32 entries alone', () => {
    const chain = (length: number) => ['203.0.113.7', ...Array(length).fill('10.0.0.9')].join(', ');
    assert.equal(listed(chain(31)), '203.0.113.7');
    assert.equal(listed(chain(32)), '10.0.0.9');
  });

  for (const [value, address] of [
    ['for=203.0.113.7', '203.0.113.7'],
    ['For="203.0.113.7:4711"', '203.0.113.7'],
    ['for="[2001:db8::7]:4711"', '2001:db8::7'],
    ['for="[2001:DB8:0::7]"', '2001:db8::7'],
    ['for=203.0.113.7;proto=https;by=10.0.0.2;host="a,b;c"', '203.0.113.7'],
    ['proto=https;for=203.0.113.7', '203.0.113.7'],
    ['for=198.51.100.9, for=203.0.113.7', '203.0.113.7'],
    ['for=198.51.100.9,for=203.0.113.7;proto=http , for=10.0.0.9', '203.0.113.7'],
    ['for="_a\\"b", for=203.0.113.7', '203.0.113.7'],
    ['for=203.0.113.7, for=unknown, for=10.0.0.9', '10.0.0.9'],
    ['for=203.0.113.7, proto=https', '10.0.0.2'],
  ] as const) {
    it(`is ${address} by Forwarded: ${value}`, () => {
      assert.equal(forwarded(value), address);
    });
  }

  for (const value of [
    'for=" , for=203.0.113.7',
    'for="\\", for=203.0.113.7',
    'for=203.0.113.7, for="',
    'for=203.0.113.7;for=198.51.100.9',
    'for=2001:db8::7',
    'for=203.0.113.7,',
    'for=203.0.113.7;',
    '203.0.113.7',
    'for = 203.0.113.7',
    'for=203.0.113.7 for=198.51.100.9',
    'for=_hidden',
    'for=""',
  ])
    it(`is the proxy for Forwarded: ${value}`, () => {
      assert.equal(forwarded(value), '10.0.0.2');
    });

  it("is the proxy where both headers are there and differ: one of them may be the client's own", () => {
    const both = (list: string, value: string) =>
      addressOf('10.0.0.2', { 'x-forwarded-for': list, forwarded: value });
    assert.equal(both('203.0.113.7', 'for=203.0.113.7'), '203.0.113.7');
    assert.equal(both('198.51.100.9, 203.0.113.7', 'for="203.0.113.7:80"'), '203.0.113.7');
    assert.equal(both('203.0.113.7', 'for=198.51.100.9'), '10.0.0.2');
    assert.equal(both('198.51.100.9', 'for=203.0.113.7'), '10.0.0.2');
    assert.equal(both('203.0.113.7', 'for="'), '10.0.0.2');
  });
});

describe('a client that speaks TLS to a proxy', () => {
  const isSecure = (peer: string, value: string, trusted = proxies) =>
    createClientAddress(trusted).isSecure({
      headers: { 'x-forwarded-proto': value },
      socket: { remoteAddress: peer } as IncomingMessage['socket'],
    });

  it('does so only where a trusted proxy says it', () => {
    assert.equal(isSecure('10.0.0.2', 'https'), true);
    assert.equal(isSecure('::ffff:10.0.0.2', 'https'), true);
    assert.equal(isSecure('10.0.0.2', 'http'), false);
    assert.equal(isSecure('192.0.2.1', 'https'), false);
    assert.equal(isSecure('10.0.0.2', 'https', []), false);
  });
});
