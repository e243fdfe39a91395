import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { after, describe, it } from 'node:test';
import { request } from 'undici';
import { createReadBlocks } from '../../../../src/lib/bytes/read-blocks.ts';
import { systemClock } from '../../../../src/lib/clock.ts';
import { createHostSettings } from '../../../../src/upstream/host-settings.ts';
import type { AddressScope } from '../../../../src/upstream/http/addresses.ts';
import { createDispatchers } from '../../../../src/upstream/http/dispatchers.ts';
import { createLookups, type ResolveAll } from '../../../../src/upstream/http/lookups.ts';
import { createProxies } from '../../../../src/upstream/http/proxies.ts';
import { defaults, noProxies } from '../asking.ts';

describe('names that lead nearer than their sender may send us', () => {
  const server = createServer((_, response) => response.end('inside'));
  const settings = createHostSettings(defaults);
  const names: Record<string, string[]> = {
    'inside.test': ['127.0.0.1'],
    'lan.test': ['192.168.0.9'],
    'two.test': ['fd12:3456::1', '127.0.0.1'],
    'both.test': ['93.184.216.34', '169.254.169.254'],
  };
  const resolve: ResolveAll = (hostname, _, callback) => {
    const addresses = (names[hostname] ?? []).map((address) => ({ address, family: isIP(address) }));
    callback(addresses.length === 0 ? Object.assign(new Error(), { code: 'ENOTFOUND' }) : null, addresses);
  };
  const dispatchers = createDispatchers({
    clock: systemClock,
    blocks: createReadBlocks({ size: 64 * 1024, sockets: 64, keep: 4, lend: 4 }),
    certLookup: () => ({ ca: [], pairs: [], directory: undefined }),
    proxies: createProxies(noProxies, settings),
    settings,
    extraCa: [],
    lookups: createLookups({ clock: systemClock, resolve }),
  });
  after(async () => {
    await dispatchers.close();
    server.close();
  });

  async function get(hostname: string, addressScope: AddressScope): Promise<string> {
    if (!server.listening) await once(server.listen(0, '127.0.0.1'), 'listening');
    const url = new URL(`http://${hostname}:${(server.address() as AddressInfo).port}/`);
    const dispatcher = dispatchers.of({ url, name: url.host, verify: true, addressScope });
    const { body } = await request(url, { dispatcher });
    return body.text();
  }

  it('are not connected to, whatever their DNS says', async () => {
    for (const [name, addressScope] of [
      ['inside.test', 'public'],
      ['inside.test', 'private'],
      ['lan.test', 'public'],
      ['both.test', 'public'],
      ['both.test', 'loopback'],
      ['127.0.0.1', 'public'],
      ['127.0.0.1', 'private'],
    ] as const) {
      await assert.rejects(get(name, addressScope), { code: 'FORBIDDEN_ADDRESS' }, `${name} ${addressScope}`);
    }
  });

  it('are, where the configuration names them or the registry is as near', async () => {
    assert.equal(await get('inside.test', 'any'), 'inside');
    assert.equal(await get('inside.test', 'loopback'), 'inside');
    await assert.rejects(
      get('inside.test', 'public'),
      { code: 'FORBIDDEN_ADDRESS' },
      'no connection is borrowed',
    );
  });

  it('are as near as the one of their addresses that answered, not as another that DNS names', async () => {
    assert.equal(await get('two.test', 'any'), 'inside');
    assert.equal(dispatchers.kindOf('two.test'), 'loopback');
  });

  it('are remembered by kind, for judging where their host may send us', () => {
    assert.equal(dispatchers.kindOf('inside.test'), 'loopback');
    assert.equal(dispatchers.kindOf('lan.test'), undefined, 'nobody was connected to');
    assert.equal(dispatchers.kindOf('unknown.test'), undefined);
    assert.equal(dispatchers.kindOf('10.1.1.1'), 'private');
    assert.equal(dispatchers.kindOf('[::1]'), 'loopback');
  });
});
