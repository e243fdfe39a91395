import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { connect } from 'node:net';
import { after, describe, it } from 'node:test';
import { byTurns, dial } from '../../../../src/upstream/http/dial.ts';
import { startBlackHole } from '../../../support/black-hole.ts';
import { createManualClock } from '../../../support/clock.ts';
import { listen } from '../../../support/listener.ts';

describe('a connection to a host with several addresses', () => {
  const stops: (() => Promise<unknown>)[] = [];
  after(() => Promise.all(stops.map((stop) => stop())));

  const v4 = (...addresses: string[]): LookupAddress[] =>
    addresses.map((address) => ({ address, family: 4 }));

  async function deaf() {
    const hole = await startBlackHole({ accepts: false });
    stops.push(hole.stop);
    return hole;
  }

  function begin(addresses: readonly LookupAddress[], port: number) {
    const clock = createManualClock();
    const abort = new AbortController();
    const connected = dial(addresses, {
      clock,
      signal: abort.signal,
      begin: ({ address }) => connect({ host: address, port }),
    });
    return { clock, abort, connected };
  }

  it('keeps an attempt that takes longer than 250 ms, beside the next one', async () => {
    const slow = await deaf();
    const { clock, connected } = begin(v4('127.0.0.1', '127.0.0.2'), slow.port);
    await clock.armed(250);
    await clock.advance(250);
    assert.deepEqual(clock.pending, [], 'the second address is tried');
    slow.wake();
    const socket = await connected;
    assert.equal(socket.remoteAddress, '127.0.0.1');
    socket.destroy();
  });

  it('takes the first that connects', async () => {
    const silent = await deaf();
    const well = await listen({ address: '127.0.0.2', port: silent.port }, (_, response) => response.end());
    stops.push(well.close);
    const { clock, connected } = begin(v4('127.0.0.1', '127.0.0.2'), silent.port);
    await clock.armed(250);
    await clock.advance(250);
    const socket = await connected;
    assert.equal(socket.remoteAddress, '127.0.0.2');
    assert.deepEqual(clock.pending, []);
    socket.destroy();
  });

  it('tries the next address at once when one refuses, and tells the refusal when all have failed', async () => {
    const well = await listen({ address: '127.0.0.3' }, (_, response) => response.end());
    const { connected } = begin(v4('127.0.0.1', '127.0.0.2', '127.0.0.3'), well.port);
    const socket = await connected;
    assert.equal(socket.remoteAddress, '127.0.0.3');
    socket.destroy();
    await well.close();
    await assert.rejects(begin(v4('127.0.0.1', '127.0.0.2'), well.port).connected, { code: 'ECONNREFUSED' });
  });

  it('ends all attempts with its caller’s reason', async () => {
    const silent = await deaf();
    const { clock, abort, connected } = begin(v4('127.0.0.1', '127.0.0.1'), silent.port);
    await clock.armed(250);
    abort.abort(new Error('too late'));
    await assert.rejects(connected, { message: 'too late' });
    assert.deepEqual(clock.pending, []);
  });

  it('takes the families by turns, in the order of DNS', () => {
    const six = ['2001:db8::1', '2001:db8::2'].map((address) => ({ address, family: 6 }));
    const addresses = [...six, ...v4('192.0.2.1', '192.0.2.2', '192.0.2.3')];
    assert.deepEqual(
      byTurns(addresses).map(({ address }) => address),
      ['2001:db8::1', '192.0.2.1', '2001:db8::2', '192.0.2.2', '192.0.2.3'],
    );
    assert.deepEqual(byTurns([]), []);
  });
});
