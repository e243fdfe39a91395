import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createViaChain } from '../../../../src/lib/flow/via-chain.ts';

const [ours, theirs] = [createViaChain(crypto.randomUUID()), createViaChain(crypto.randomUUID())];

it('a request to an upstream names the servers that its request has come through, and this one', async () => {
  const chain = await theirs.within(undefined, async () => {
    await setImmediate();
    return ours.within(theirs.outgoing, async () => {
      await setImmediate();
      return ours.outgoing;
    });
  });
  assert.equal(chain, `${theirs.outgoing}, ${ours.outgoing}`);
  assert.deepEqual(
    [ours.isOwn(chain), theirs.isOwn(chain), ours.isOwn(theirs.outgoing)],
    [true, true, false],
  );
  assert.equal(ours.isOwn(undefined), false);
});

it('what else stands in Via is not repeated, and a chain without end is cut', () => {
  const hostile = `1.1 squid, ${theirs.outgoing}, 1.1 entrepot-<script>, 1.0 ${'x'.repeat(5000)}`;
  assert.equal(
    ours.within(hostile, () => ours.outgoing),
    `${theirs.outgoing}, ${ours.outgoing}`,
  );
  assert.equal(
    ours.within('1.1 squid', () => ours.outgoing),
    ours.outgoing,
  );
  const endless = Array.from({ length: 1000 }, () => createViaChain(crypto.randomUUID()).outgoing).join(', ');
  assert.equal(ours.within(endless, () => ours.outgoing).split(', ').length, 17);
});
