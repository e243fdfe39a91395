import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Reference } from '../../../src/oci/reference.ts';
import { askInOrder } from '../../../src/upstream/ask-in-order.ts';
import type { AttemptContext } from '../../../src/upstream/attempt.ts';
import type { Endpoint } from '../../../src/upstream/endpoint.ts';
import { createHealth } from '../../../src/upstream/health/health.ts';
import type { Outcome } from '../../../src/upstream/outcome.ts';
import type { Answer, AskOptions } from '../../../src/upstream/upstream.ts';
import { createManualClock } from '../../support/clock.ts';
import { endpointOf, endpointsOf, image, outline } from './asking.ts';

/** Endpoints that answer when the test says so. */
function setUp(
  hosts: readonly string[] = ['m1', 'm2', 'src'],
  blocked: readonly string[] = [],
  peers: readonly string[] = [],
) {
  const clock = createManualClock();
  /** Hosts that answer `/v2/`. */
  const answering = new Set<string>();
  const health = createHealth({ clock, ping: async ({ host }) => answering.has(host) });
  const started: string[] = [];
  const calls: { host: string; context: AttemptContext; answer: (outcome: Outcome<string>) => void }[] = [];
  const discarded: string[] = [];
  const endpoints = endpointsOf(
    hosts.map((host) => ({
      host,
      ...(blocked.includes(host) && { blockedBy: host }),
      ...(peers.includes(host) && { role: 'peer' as const }),
    })),
  )(image() as Reference);

  const ask = (endpoint: Endpoint, context: AttemptContext) =>
    new Promise<Outcome<string>>((resolve) => {
      started.push(endpoint.host);
      context.sent();
      const answer = (outcome: Outcome<string>) => {
        if (outcome.kind !== 'unreachable') context.heard();
        resolve(outcome);
      };
      const givenUp = (): void => resolve({ kind: 'unreachable', reason: 'given up', fault: 'aborted' });
      context.signal.addEventListener('abort', givenUp);
      calls.push({ host: endpoint.host, context, answer });
    });
  const settle = () => clock.advance(0);

  return {
    clock,
    health,
    answering,
    started,
    discarded,
    settle,
    run: (options: AskOptions = {}, budget = 600_000) =>
      askInOrder(
        endpoints,
        ask,
        { health, clock, budget },
        { ...options, discard: (value) => discarded.push(value) },
      ),
    /** The latest call of a host that came. */
    call(host: string) {
      const found = calls.findLast((one) => one.host === host);
      assert.ok(found, `${host} was not asked`);
      return found;
    },
    async give(host: string, outcome: Outcome<string>) {
      this.call(host).answer(outcome);
      await settle();
    },
    /** Makes a host known as one that answers in `ms`. */
    known(host: string, ms: number) {
      for (let time = 0; time < 50; time += 1) health.answered(endpointOf(host), ms);
    },
  };
}

const ok = (value = 'good'): Outcome<string> => ({ kind: 'ok', value });
const notFound: Outcome<string> = { kind: 'notFound', reason: 'HTTP 404' };
const dead: Outcome<string> = { kind: 'unreachable', reason: 'connection refused' };
const wrong: Outcome<string> = { kind: 'invalid', reason: 'wrong digest' };
const verdictOf = (answer: Answer<string>) => (answer.ok ? 'ok' : answer.verdict.kind);

describe('asking in order', () => {
  it('asks the first endpoint alone while it is within its usual time', async () => {
    const test = setUp();
    const answer = test.run();
    await test.clock.advance(999);
    assert.deepEqual(test.started, ['m1']);
    await test.give('m1', ok());
    assert.equal(outline(await answer), 'mirror ok');
    assert.deepEqual(test.clock.pending, [], 'no timer is left');
  });

  for (const outcome of [
    notFound,
    dead,
    wrong,
    { kind: 'denied', reason: '' },
    { kind: 'unauthorized', reason: '' },
  ] as const) {
    it(`asks the next endpoint at once after ${outcome.kind}`, async () => {
      const test = setUp();
      const answer = test.run();
      await test.settle();
      await test.give('m1', outcome);
      assert.deepEqual(test.started, ['m1', 'm2']);
      await test.give('m2', ok('two'));
      const given = await answer;
      assert.equal(outline(given), `mirror ${outcome.kind}, mirror ok`);
      assert.equal(given.ok && given.value, 'two');
    });
  }

  it('never asks a blocked endpoint, and tells of it', async () => {
    const test = setUp(['m1', 'm2', 'src'], ['m1', 'src']);
    const answer = test.run();
    await test.settle();
    await test.give('m2', notFound);
    assert.deepEqual(test.started, ['m2']);
    assert.equal(outline(await answer), 'mirror blocked, mirror notFound, source blocked');
    assert.equal(verdictOf(await answer), 'notFound');
  });

  it('asks the next beside one that is hedged, and takes the first good answer', async () => {
    const test = setUp();
    const answer = test.run();
    await test.clock.advance(1000);
    assert.deepEqual(test.started, ['m1', 'm2']);
    await test.clock.advance(300);
    await test.give('m2', ok('two'));
    const given = await answer;
    assert.equal(outline(given), 'mirror overdue, mirror ok');
    assert.equal(given.trail[0]?.ms, 1300);
    assert.equal(given.trail[1]?.ms, 300);
    assert.equal(test.call('m1').context.signal.aborted, true, 'the loser is cancelled');
    assert.equal(test.call('m2').context.signal.aborted, false);
  });

  it('opens the breaker of one that lost without a word', async () => {
    const test = setUp();
    const first = test.run();
    await test.clock.advance(1000);
    await test.give('m2', ok());
    await first;
    assert.equal(test.health.state(endpointOf('m1')), 'open');
    const second = test.run();
    await test.settle();
    assert.deepEqual(test.started, ['m1', 'm2', 'm2'], 'it costs nothing any more');
    await test.give('m2', ok());
    assert.equal(outline(await second), 'mirror skipped, mirror ok');
  });

  it('does not blame one that gave a sign of life, nor one that lost within its usual time', async () => {
    const test = setUp();
    const answer = test.run();
    await test.clock.advance(500);
    test.call('m1').context.heard();
    await test.clock.advance(500);
    assert.deepEqual(test.started, ['m1', 'm2']);
    await test.give('m1', ok('one'));
    assert.equal(outline(await answer), 'mirror ok, mirror skipped');
    assert.equal(test.health.state(endpointOf('m1')), 'closed');
    assert.equal(test.health.state(endpointOf('m2')), 'closed');
  });

  it('gives an endpoint that answers in parts its usual time for each part', async () => {
    const test = setUp();
    let parts = 0;
    const onProgress = () => {
      parts += 1;
    };
    const answer = test.run({ onProgress });
    await test.settle();
    const { context } = test.call('m1');
    for (let page = 0; page < 5; page += 1) {
      await test.clock.advance(900);
      context.heard();
      context.progressed();
    }
    assert.deepEqual(test.started, ['m1'], 'though 4.5 s have gone by');
    await test.give('m1', ok());
    assert.equal(outline(await answer), 'mirror ok');
    assert.equal(parts, 5);
    assert.ok(test.health.hedgeDelay('m1') <= 1000, 'the parts are what is usual');

    const stalling = test.run();
    await test.settle();
    test.call('m1').context.progressed();
    await test.clock.advance(1000);
    assert.deepEqual(test.started, ['m1', 'm1', 'm2'], 'no part for too long');
    await test.give('m2', ok());
    assert.equal(outline(await stalling), 'mirror overdue, mirror ok');
  });

  it('waits as long as is usual for a host, within half a second and three', async () => {
    const test = setUp(['quick', 'slow', 'slower', 'src']);
    test.known('quick', 20);
    test.known('slow', 1500);
    test.known('slower', 20_000);
    void test.run();
    await test.clock.advance(500);
    assert.deepEqual(test.started, ['quick', 'slow']);
    await test.clock.advance(1499);
    assert.equal(test.started.length, 2);
    await test.clock.advance(100);
    assert.deepEqual(test.started.slice(2), ['slower']);
    await test.clock.advance(3000);
    assert.deepEqual(test.started.slice(3), ['src']);
  });

  it('waits for a hedged endpoint when all others have failed', async () => {
    const test = setUp(['m1', 'src']);
    const answer = test.run();
    await test.clock.advance(1000);
    await test.give('src', notFound);
    await test.clock.advance(5000);
    await test.give('m1', ok('late'));
    assert.equal(outline(await answer), 'mirror ok, source notFound');
  });

  it('does not start a third while the second is within its time, though the first fails late', async () => {
    const test = setUp();
    void test.run();
    await test.clock.advance(1000);
    await test.give('m1', dead);
    assert.deepEqual(test.started, ['m1', 'm2']);
    await test.give('m2', dead);
    assert.deepEqual(test.started, ['m1', 'm2', 'src']);
  });

  it('discards a good answer that comes after another has won', async () => {
    const test = setUp();
    const answer = test.run();
    await test.clock.advance(1000);
    test.call('m1').answer(ok('one'));
    test.call('m2').answer(ok('two'));
    assert.equal((await answer).ok, true);
    await test.settle();
    assert.deepEqual(test.discarded, ['two']);
  });

  it('skips a host after three failures in a row while anything else is to be asked', async () => {
    const test = setUp(['m1', 'src']);
    for (let time = 0; time < 3; time += 1) {
      const answer = test.run();
      await test.settle();
      await test.give('m1', dead);
      await test.give('src', ok());
      assert.equal((await answer).trail.length, 2);
    }
    const answer = test.run();
    await test.settle();
    assert.deepEqual(test.started.at(-1), 'src');
    await test.give('src', ok());
    assert.equal(outline(await answer), 'mirror skipped, source ok');
  });

  it('never skips a host for content that is wrong', async () => {
    const test = setUp(['m1', 'src']);
    for (let time = 0; time < 5; time += 1) {
      const answer = test.run();
      await test.settle();
      await test.give('m1', wrong);
      await test.give('src', ok());
      assert.equal(outline(await answer), 'mirror invalid, source ok');
    }
  });

  it('keeps failures and silence to their repository where the host answers for itself', async () => {
    for (const isSlow of [false, true]) {
      const test = setUp(['m1', 'src']);
      test.answering.add('m1');
      for (let time = 0; time < (isSlow ? 1 : 3); time += 1) {
        const answer = test.run();
        await test.clock.advance(isSlow ? 1000 : 0);
        if (!isSlow) await test.give('m1', dead);
        await test.give('src', ok());
        await answer;
      }
      assert.equal(test.health.state(endpointOf('m1')), 'open');
      assert.equal(test.health.state(endpointOf('m1', 'team/other')), 'closed');
    }
  });

  it('an answer in between, even a 404, makes the failures start again', async () => {
    const test = setUp(['m1', 'src']);
    for (const outcome of [dead, dead, notFound, dead, dead]) {
      const answer = test.run();
      await test.settle();
      await test.give('m1', outcome);
      await test.give('src', ok());
      await answer;
    }
    assert.equal(test.health.state(endpointOf('m1')), 'closed');
  });

  it('still asks hosts with an open breaker when no other endpoint has it', async () => {
    const test = setUp(['m1', 'src']);
    test.health.timedOut(endpointOf('m1'), 'silent', 0);
    const answer = test.run();
    await test.settle();
    assert.deepEqual(test.started, ['src']);
    await test.give('src', notFound);
    assert.deepEqual(test.started, ['src', 'm1']);
    await test.give('m1', ok());
    assert.equal(outline(await answer), 'mirror ok, source notFound');
    assert.equal(test.health.state(endpointOf('m1')), 'closed');
  });

  it('asks in order when every breaker is open', async () => {
    const test = setUp(['m1', 'src']);
    test.health.timedOut(endpointOf('m1'), 'silent', 0);
    test.health.timedOut(endpointOf('src'), 'silent', 0);
    const answer = test.run();
    await test.settle();
    assert.deepEqual(test.started, ['m1']);
    await test.give('m1', dead);
    await test.give('src', dead);
    assert.equal(verdictOf(await answer), 'unavailable');
  });

  it('probes a half-open host beside the next one, with one request at a time', async () => {
    const test = setUp(['m1', 'src']);
    test.health.timedOut(endpointOf('m1'), 'silent', 0);
    await test.clock.advance(2000);
    assert.equal(test.health.state(endpointOf('m1')), 'half-open');
    const first = test.run();
    const second = test.run();
    await test.settle();
    assert.deepEqual(test.started, ['m1', 'src', 'src']);
    await test.give('m1', ok('healed'));
    assert.equal(outline(await first), 'mirror ok, source skipped');
    await test.give('src', ok());
    assert.equal(outline(await second), 'mirror skipped, source ok');
    assert.equal(test.health.state(endpointOf('m1')), 'closed');
  });

  it('lets a probe finish that another endpoint outran, so that a healed host is noticed', async () => {
    const test = setUp(['m1', 'src']);
    test.health.timedOut(endpointOf('m1'), 'silent', 0);
    await test.clock.advance(2000);
    const answer = test.run();
    await test.settle();
    await test.give('src', ok());
    assert.equal(outline(await answer), 'mirror skipped, source ok');
    assert.equal(test.call('m1').context.signal.aborted, false);
    await test.give('m1', ok('healed'));
    assert.equal(test.health.state(endpointOf('m1')), 'closed');
    assert.deepEqual(test.discarded, ['healed']);
    assert.deepEqual(test.clock.pending, []);
  });

  it('gives a probe up after its usual time, and doubles the backoff', async () => {
    const test = setUp(['m1', 'src']);
    test.health.timedOut(endpointOf('m1'), 'silent', 0);
    await test.clock.advance(2000);
    const answer = test.run();
    await test.settle();
    await test.give('src', ok());
    await answer;
    await test.clock.advance(1000);
    assert.equal(test.call('m1').context.signal.aborted, true);
    assert.equal(test.health.state(endpointOf('m1')), 'open');
    await test.clock.advance(3999);
    assert.equal(test.health.state(endpointOf('m1')), 'open');
    await test.clock.advance(1);
    assert.equal(test.health.state(endpointOf('m1')), 'half-open');
  });

  it('asks the preferred endpoint first, leaves excluded ones out and takes distrusted ones last and alone', async () => {
    const test = setUp(['m1', 'm2', 'm3', 'src']);
    const answer = test.run({
      prefer: 'm3/team/app',
      exclude: new Set(['m1/team/app']),
      distrust: new Set(['m2/team/app']),
    });
    await test.settle();
    assert.deepEqual(test.started, ['m3']);
    await test.give('m3', dead);
    await test.clock.advance(2000);
    assert.deepEqual(test.started, ['m3', 'src'], 'no distrusted one beside a hedged one');
    await test.give('src', dead);
    assert.deepEqual(test.started, ['m3', 'src', 'm2']);
    await test.give('m2', ok());
    assert.equal((await answer).ok, true);
  });

  it('never takes it for absent what an excluded endpoint gave wrong bytes for', async () => {
    const test = setUp(['m1', 'src']);
    const answer = test.run({ exclude: new Set(['m1/team/app']) });
    await test.settle();
    await test.give('src', notFound);
    assert.equal(outline(await answer), 'mirror invalid, source notFound');
    assert.equal(verdictOf(await answer), 'unavailable');
  });

  it('takes distrusted ones in the order in which they are named', async () => {
    const test = setUp(['m1', 'm2', 'm3', 'src']);
    void test.run({ distrust: new Set(['m3/team/app', 'src/team/app', 'm1/team/app']) });
    await test.settle();
    for (const host of ['m2', 'm3', 'src', 'm1']) await test.give(host, dead);
    assert.deepEqual(test.started, ['m2', 'm3', 'src', 'm1']);
  });

  it('gives the trail in trying order', async () => {
    const test = setUp(['m1', 'm2', 'src'], ['m2']);
    const answer = test.run({ prefer: 'src/team/app' });
    await test.settle();
    await test.give('src', dead);
    await test.give('m1', notFound);
    assert.equal(outline(await answer), 'source unreachable, mirror notFound, mirror blocked');
  });

  it('takes an exception about one answer for that endpoint being invalid, and asks the next', async () => {
    const clock = createManualClock();
    const faults: string[] = [];
    const endpoints = endpointsOf([{ host: 'm1' }, { host: 'src' }])(image());
    const answer = await askInOrder<string>(
      endpoints,
      async ({ host }) => {
        if (host === 'm1') throw new RangeError('secret bytes of the answer');
        return { kind: 'ok', value: host };
      },
      {
        health: createHealth({ clock, ping: async () => false }),
        clock,
        onFault: ({ host }, error) => faults.push(`${host} ${(error as Error).name}`),
      },
    );
    assert.equal(outline(answer), 'mirror invalid, source ok');
    assert.equal(answer.trail[0]?.reason, 'its answer could not be judged (RangeError)');
    assert.deepEqual(faults, ['m1 RangeError']);
  });

  it('rejects with the reason of the signal, and cancels whatever runs', async () => {
    const test = setUp();
    const given = new AbortController();
    const answer = test.run({ signal: given.signal });
    await test.clock.advance(1000);
    const reason = new Error('the reader left');
    given.abort(reason);
    await assert.rejects(answer, reason);
    assert.equal(test.call('m1').context.signal.aborted, true);
    assert.equal(test.call('m2').context.signal.aborted, true);
    assert.equal(test.health.state(endpointOf('m1')), 'open', 'it was overdue, and silent');
    assert.equal(test.health.state(endpointOf('m2')), 'closed', 'it was not');
    assert.deepEqual(test.clock.pending, []);
    await assert.rejects(test.run({ signal: given.signal }), reason);
  });

  it('gives up when its budget is spent, and says which endpoints were silent and which were not asked', async () => {
    const test = setUp(['m1', 'm2', 'm3', 'src']);
    const answer = test.run({}, 2500);
    await test.settle();
    await test.give('m1', notFound);
    await test.clock.advance(1000);
    assert.deepEqual(test.started, ['m1', 'm2', 'm3']);
    await test.clock.advance(1500);
    const given = await answer;
    assert.equal(outline(given), 'mirror notFound, mirror overdue, mirror overdue, source overdue');
    assert.equal(verdictOf(given), 'unavailable', 'nobody knows whether it exists');
    assert.equal(test.call('src').context.signal.aborted, true);
    assert.deepEqual(test.clock.pending, []);

    const short = setUp(['m1', 'm2', 'src']);
    const none = short.run({}, 500);
    await short.clock.advance(500);
    assert.equal(outline(await none), 'mirror overdue, mirror skipped, source skipped');
    assert.equal((await none).trail[1]?.reason, 'no time was left to ask it');
  });

  it('has a verdict even without an endpoint to ask', async () => {
    assert.equal(verdictOf(await setUp([]).run()), 'unavailable');
    const test = setUp(['m1']);
    assert.equal(verdictOf(await test.run({ exclude: new Set(['m1/team/app']) })), 'unavailable');
  });
});

describe('asking a peer', () => {
  const withPeer = () => setUp(['e1', 'src'], [], ['e1']);

  it('asks no other endpoint as long as the peer says that it is at work', async () => {
    const test = withPeer();
    const answer = test.run();
    for (let second = 0; second < 40; second += 1) {
      test.call('e1').context.alive?.();
      await test.clock.advance(900);
    }
    assert.deepEqual(test.started, ['e1']);
    await test.give('e1', ok());
    assert.equal(verdictOf(await answer), 'ok');
    assert.equal(test.health.state(endpointOf('e1')), 'closed');
  });

  it('gives up a peer that falls silent, and holds that against it', async () => {
    const test = withPeer();
    const answer = test.run();
    test.call('e1').context.alive?.();
    await test.clock.advance(1050);
    assert.deepEqual(test.started, ['e1', 'src']);
    await test.give('src', ok());
    assert.equal(outline(await answer), 'peer unreachable, source ok');
  });

  it('hedges a peer that has never said a word', async () => {
    const test = withPeer();
    const answer = test.run();
    await test.clock.advance(1050);
    assert.deepEqual(test.started, ['e1', 'src']);
    await test.give('e1', ok('of the peer'));
    const { ok: found } = await answer;
    assert.equal(found, true);
  });

  it('gives a peer more time whose signs of life have come far apart', async () => {
    const test = withPeer();
    const first = test.run();
    await test.clock.advance(900);
    test.call('e1').context.alive?.();
    await test.clock.advance(100);
    await test.give('e1', ok());
    await first;
    assert.equal(test.health.list()[0]?.usualMs, 900);
    test.known('e1', 1500);
    const answer = test.run();
    await test.clock.advance(1400);
    assert.equal(test.started.includes('src'), false);
    await test.give('e1', ok());
    assert.equal(verdictOf(await answer), 'ok');
  });

  it('takes its "not found" for that of all, even after another peer has failed', async () => {
    const test = setUp(['e1', 'e2', 'src'], [], ['e1', 'e2']);
    const answer = test.run();
    await test.give('e1', dead);
    await test.give('e2', notFound);
    assert.equal(verdictOf(await answer), 'notFound');
    assert.deepEqual(test.started, ['e1', 'e2']);
  });

  it('does not wait for a late peer, or for the probe of one, once every registry has said "not found"', async () => {
    const late = withPeer();
    const first = late.run();
    await late.clock.advance(1050);
    await late.give('src', notFound);
    await late.give('e1', ok());
    assert.equal(verdictOf(await first), 'notFound');
    assert.equal(outline(await first), 'peer overdue, source notFound');

    const probed = withPeer();
    for (let time = 0; time < 3; time += 1) {
      const failing = probed.run();
      await probed.give('e1', dead);
      await probed.give('src', ok());
      await failing;
    }
    await probed.clock.advance(2000);
    const second = probed.run();
    await probed.give('src', notFound);
    await probed.give('e1', ok());
    assert.equal(verdictOf(await second), 'notFound');
  });

  it('waits for a late peer where a registry could not say', async () => {
    const test = withPeer();
    const answer = test.run();
    await test.clock.advance(1050);
    await test.give('src', dead);
    await test.give('e1', ok());
    assert.equal(verdictOf(await answer), 'ok');
  });

  it('goes on where the endpoints of the peer fail, shows what they said, and keeps its breaker closed', async () => {
    const told = { endpoint: 'hub/app', role: 'source', outcome: 'unreachable', ms: 4, by: 'e1' } as const;
    const test = withPeer();
    for (let time = 0; time < 5; time += 1) {
      const answer = test.run();
      await test.give('e1', { kind: 'unavailable', reason: 'HTTP 502', trail: [told] });
      await test.give('src', ok());
      assert.equal(outline(await answer), 'peer unavailable, source unreachable, source ok');
    }
    assert.equal(test.health.state(endpointOf('e1')), 'closed');
  });
});
