/** Whatever endpoints do and however long they take, asking keeps its promises. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { askInOrder } from '../../../src/upstream/ask-in-order.ts';
import type { AttemptContext } from '../../../src/upstream/attempt.ts';
import type { Endpoint } from '../../../src/upstream/endpoint.ts';
import { createHealth } from '../../../src/upstream/health/health.ts';
import type { Outcome } from '../../../src/upstream/outcome.ts';
import { createManualClock } from '../../support/clock.ts';
import { endpointOf, endpointsOf, image } from './asking.ts';

const behaviour = fc.record({
  kind: fc.constantFrom('ok', 'notFound', 'unreachable', 'invalid', 'denied', 'rateLimited'),
  /** Milliseconds; the last is a black hole that the header timer ends. */
  after: fc.constantFrom(0, 30, 600, 1001, 2500, 15_000),
  breaker: fc.constantFrom('closed', 'closed', 'open', 'half-open'),
  blocked: fc.constantFrom(false, false, false, true),
  distrusted: fc.constantFrom(false, false, false, true),
});

function outcomeOf(kind: string, value: string): Outcome<string> {
  if (kind === 'ok') return { kind: 'ok', value };
  if (kind === 'rateLimited') return { kind, reason: 'HTTP 429', until: 9e15 };
  return { kind: kind as 'notFound', reason: kind };
}

it('asking in order keeps its promises whatever endpoints do', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(behaviour, { maxLength: 5 }), async (behaviours) => {
      const clock = createManualClock();
      const health = createHealth({ clock, ping: async () => false });
      const hostOf = (index: number) => `h${index}`;
      for (const [index, { breaker }] of behaviours.entries()) {
        if (breaker === 'half-open') health.timedOut(endpointOf(hostOf(index)), 'silent', 0);
      }
      await clock.advance(2000);
      for (const [index, { breaker }] of behaviours.entries()) {
        if (breaker === 'open') health.timedOut(endpointOf(hostOf(index)), 'silent', 0);
      }

      const asked: number[] = [];
      const ended = new Set<number>();
      const contexts = new Map<number, AttemptContext>();
      const discarded: string[] = [];
      const ask = (endpoint: Endpoint, context: AttemptContext) =>
        new Promise<Outcome<string>>((resolve) => {
          const index = Number(endpoint.host.slice(1));
          const { kind, after } = behaviours[index]!;
          asked.push(index);
          contexts.set(index, context);
          context.sent();
          const finish = (outcome: Outcome<string>) => {
            if (ended.has(index)) return;
            ended.add(index);
            timer.cancel();
            resolve(outcome);
          };
          const timer = clock.after(after, () => {
            const isSilent = kind === 'unreachable' || after === 15_000;
            if (!isSilent) context.heard();
            finish(outcomeOf(after === 15_000 ? 'unreachable' : kind, endpoint.host));
          });
          context.signal.addEventListener('abort', () => finish(outcomeOf('unreachable', '')));
        });

      const endpoints = endpointsOf(
        behaviours.map(({ blocked }, index) => ({ host: hostOf(index), ...(blocked && { blockedBy: 'x' }) })),
      )(image());
      const distrust = new Set(
        behaviours.flatMap(({ distrusted }, index) => (distrusted ? [`${hostOf(index)}/team/app`] : [])),
      );
      const pending = askInOrder(
        endpoints,
        ask,
        { health, clock },
        { distrust, discard: (value) => discarded.push(value) },
      );
      await clock.advance(100_000);
      const answer = await pending;

      const mayAsk = [...behaviours.keys()].filter((index) => !behaviours[index]!.blocked);
      const hasIt = mayAsk.filter(
        (index) => behaviours[index]!.kind === 'ok' && behaviours[index]!.after < 15_000,
      );
      assert.equal(answer.ok, hasIt.length > 0, 'a good answer is found where there is one');
      assert.equal(new Set(asked).size, asked.length, 'nobody is asked twice');
      assert.ok(
        asked.every((index) => mayAsk.includes(index)),
        'nobody blocked is asked',
      );
      if (!answer.ok) assert.deepEqual([...asked].sort(), mayAsk, 'everybody is asked before giving up');
      if (!answer.ok && answer.verdict.kind === 'notFound') {
        assert.ok(
          mayAsk.every(
            (index) => behaviours[index]!.kind === 'notFound' && behaviours[index]!.after < 15_000,
          ),
        );
      }

      const rank = (index: number) => {
        if (behaviours[index]!.distrusted) return 2;
        return behaviours[index]!.breaker === 'open' ? 1 : 0;
      };
      const inOrder = [...asked].sort((a, b) => rank(a) - rank(b) || a - b);
      assert.deepEqual(asked, inOrder, 'in order: healthy, open, distrusted');

      assert.deepEqual(clock.pending, [], 'no timer is left');
      assert.equal(ended.size, asked.length, 'nothing goes on: every attempt has ended or was cancelled');
      const given = answer.ok ? [answer.value] : [];
      assert.equal(
        new Set([...given, ...discarded]).size,
        given.length + discarded.length,
        'no value is given twice',
      );
      if (answer.ok) assert.equal(contexts.get(Number(answer.value.slice(1)))!.signal.aborted, false);
      assert.equal(answer.trail.length, new Set(answer.trail.map(({ endpoint }) => endpoint)).size);
      for (const index of asked)
        assert.ok(answer.trail.some(({ endpoint }) => endpoint === `${hostOf(index)}/team/app`));
    }),
    { numRuns: 300 },
  );
});
