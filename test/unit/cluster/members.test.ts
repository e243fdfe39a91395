import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMembers } from '../../../src/cluster/members.ts';
import type { ClusterConfig } from '../../../src/config/cluster-config.ts';
import { createManualClock } from '../../support/clock.ts';

const config: ClusterConfig = { peers: [], dns: undefined, self: undefined, secretFile: '/s', keep: 'all' };

function setUp(own: Partial<ClusterConfig>, { secure = false, addresses = ['10.0.0.2'] } = {}) {
  const clock = createManualClock();
  const changes: string[][] = [];
  const failures: string[] = [];
  /** What DNS says. */
  const dns: { answer: readonly string[] | Error } = { answer: [] };
  const members = createMembers(
    {
      clock,
      async addressesOf(hostname) {
        assert.equal(hostname, 'entrepot-peers');
        if (dns.answer instanceof Error) throw dns.answer;
        return dns.answer;
      },
      ownAddresses: () => ['127.0.0.1', ...addresses],
      onChange: (all) => changes.push(all.map(({ id }) => id)),
      onFailure: (reason) => failures.push(reason),
    },
    { ...config, ...own },
    { secure },
  );
  return { clock, changes, failures, dns, members, ids: () => members.all.map(({ id }) => id) };
}

describe('the members of a cluster', () => {
  it('are those of the list, each once', () => {
    const peers = ['https://e2.corp:5000', 'https://e1.corp', 'http://[::1]:5000'];
    const { members, ids } = setUp({ peers, self: 'https://e1.corp' });
    assert.deepEqual(ids(), ['[::1]:5000', 'e1.corp:443', 'e2.corp:5000']);
    assert.deepEqual(members.self, { id: 'e1.corp:443', origin: 'https://e1.corp', name: 'e1.corp:443' });
  });

  it('are the addresses of a name, which is looked up again and again', async () => {
    const { clock, changes, dns, members, ids } = setUp({ dns: 'entrepot-peers:5000' }, { secure: true });
    dns.answer = ['10.0.0.2', '10.0.0.1'];
    await members.start();
    assert.deepEqual(ids(), ['10.0.0.1:5000', '10.0.0.2:5000']);
    assert.deepEqual(members.self, {
      id: '10.0.0.2:5000',
      origin: 'https://10.0.0.2:5000',
      name: 'entrepot-peers:5000',
    });
    dns.answer = ['10.0.0.3', '10.0.0.2', 'fd00::1'];
    await clock.advance(5000);
    assert.deepEqual(ids(), ['10.0.0.2:5000', '10.0.0.3:5000', '[fd00::1]:5000']);
    await clock.advance(60_000);
    assert.equal(changes.length, 2);
    members.stop();
    assert.deepEqual(clock.pending, []);
  });

  it('stay when DNS is gone, or has no address, and that is told once', async () => {
    const { clock, failures, dns, members, ids } = setUp({ dns: 'entrepot-peers:5000' });
    dns.answer = ['10.0.0.1', '10.0.0.2'];
    await members.start();
    dns.answer = new Error('queryA ETIMEOUT');
    await clock.advance(20_000);
    assert.deepEqual(ids(), ['10.0.0.1:5000', '10.0.0.2:5000']);
    assert.deepEqual(failures, ['queryA ETIMEOUT']);
    dns.answer = [];
    await clock.advance(5000);
    assert.deepEqual(ids(), ['10.0.0.1:5000', '10.0.0.2:5000']);
  });

  it('include this replica before DNS names it, once it knows itself', async () => {
    const { dns, members, ids } = setUp({ dns: 'entrepot-peers:5000', self: 'http://10.0.0.9:5000' });
    dns.answer = ['10.0.0.1'];
    await members.start();
    assert.deepEqual(ids(), ['10.0.0.1:5000', '10.0.0.9:5000']);
  });

  it('are none but the others for a replica that cannot find itself among the addresses', async () => {
    const { dns, members, ids } = setUp({ dns: 'entrepot-peers:5000' }, { addresses: ['192.168.1.1'] });
    dns.answer = ['10.0.0.1', '10.0.0.2'];
    await members.start();
    assert.deepEqual(ids(), ['10.0.0.1:5000', '10.0.0.2:5000']);
    assert.equal(members.self.id, '');
  });
});
