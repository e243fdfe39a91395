import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isNetwork, networkMatcher } from '../../../src/lib/networks.ts';

describe('networks', () => {
  it('are an address, or an address and the bits of its network', () => {
    for (const text of [
      '10.0.0.0/8',
      '10.0.0.1',
      '10.1.2.3/32',
      '0.0.0.0/0',
      '2001:db8::/32',
      '::1',
      '::1/128',
    ])
      assert.ok(isNetwork(text), text);
    for (const text of [
      ...[
        '',
        '/8',
        '10.0.0.0/',
        '10.0.0.0/33',
        '::/129',
        '10.0.0.0/8/8',
        '10.0.0.0/-1',
        '10.0.0/8',
        '10.0.0.0/8 ',
      ],
      ...[
        '10.0.0.0 /8',
        'corp.example',
        'fe80::1%eth0',
        '[::1]',
        '10.0.0.0/0x8',
        '10.0.0.0/1e1',
        '10.0.0.0:80',
      ],
    ])
      assert.ok(!isNetwork(text), text);
  });

  it('match their addresses, of IPv4 also where they are written as IPv6', () => {
    const matches = networkMatcher(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', 'nonsense']);
    for (const address of ['10.9.9.9', '::ffff:10.1.1.1', '192.0.2.7', '2001:db8:1::1'])
      assert.ok(matches(address), address);
    for (const address of ['11.0.0.1', '192.0.2.8', '2001:db9::1', '::ffff:11.1.1.1', '', 'nonsense', '10'])
      assert.ok(!matches(address), address);
    assert.ok(!networkMatcher([])('10.0.0.1'));
  });
});
