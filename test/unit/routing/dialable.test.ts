import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { linkLocalNetworks } from '../../../src/lib/address-kind.ts';
import { isDialable } from '../../../src/routing/dialable.ts';

describe('a registry that a client names', () => {
  it('is in none of the networks that redirects may not lead to either', () => {
    for (const network of linkLocalNetworks.ipv4) {
      const [address = ''] = network.split('/');
      assert.equal(isDialable(address), false, address);
      assert.equal(isDialable(`${address}:5000`), false, address);
    }
    for (const network of linkLocalNetworks.ipv6) {
      const [address = ''] = network.split('/');
      assert.equal(isDialable(`[${address}]`), false, address);
    }
  });

  it('may have an address of its own, but not that of a group of hosts', () => {
    for (const address of ['8.8.8.8', '10.0.0.1:5000', '127.0.0.1:5000']) {
      assert.equal(isDialable(address), true, address);
    }
    for (const address of ['224.0.0.1', '240.0.0.1', '255.255.255.255']) {
      assert.equal(isDialable(address), false, address);
    }
  });
});
