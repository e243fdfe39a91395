import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressKind, literalKind } from '../../../src/lib/address-kind.ts';

describe('the kind of an address', () => {
  const kinds: [string, string][] = [
    ['8.8.8.8', 'public'],
    ['198.18.0.5', 'public'],
    ['2606:4700::1', 'public'],
    ['10.255.0.1', 'private'],
    ['172.16.0.1', 'private'],
    ['172.32.0.1', 'public'],
    ['192.168.1.1', 'private'],
    ['100.64.0.1', 'private'],
    ['fd12:3456::1', 'private'],
    ['127.9.9.9', 'loopback'],
    ['::1', 'loopback'],
    ['169.254.169.254', 'linkLocal'],
    ['100.100.100.200', 'linkLocal'],
    ['168.63.129.16', 'linkLocal'],
    ['192.0.0.192', 'linkLocal'],
    ['64:ff9b::a83f:8110', 'linkLocal'],
    ['fd00:ec2::254', 'linkLocal'],
    ['fe80::1', 'linkLocal'],
    ['0.0.0.0', 'linkLocal'],
    ['::', 'linkLocal'],
    ['::ffff:10.0.0.1', 'private'],
    ['::ffff:7f00:1', 'loopback'],
    ['::ffff:169.254.169.254', 'linkLocal'],
    ['64:ff9b::a9fe:a9fe', 'linkLocal'],
    ['64:ff9b::808:808', 'public'],
  ];
  for (const [address, kind] of kinds)
    it(`${address} is ${kind}`, () => assert.equal(addressKind(address), kind));

  it('is seen however a URL writes it', () => {
    for (const host of [
      '127.1',
      '0x7f000001',
      '2130706433',
      '[::1]',
      '[::ffff:127.0.0.1]',
      'LOCALHOST',
      'localhost.',
      'a.localhost',
    ]) {
      assert.equal(literalKind(new URL(`http://${host}/`).hostname), 'loopback', host);
    }
    assert.equal(literalKind('quay.io'), undefined);
    assert.equal(literalKind('127.0.0.1.nip.io'), undefined, 'DNS must tell');
  });
});
