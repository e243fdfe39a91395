import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../src/lib/clock.ts';
import { named } from '../contract/index-fixture.ts';
import { replica } from '../contract/replica-store.ts';
import { contentsOf, type FactReplica, startReplica } from '../support/fact-replicas.ts';
import { createMemoryFacts } from '../support/memory-facts.ts';

const images = ['docker.io/library/alpine', 'images.local/team/app'];
const tags = ['latest', 'v1'];
const contents = ['a', 'b', 'c'].map(named);
const endpoint = 'm1.corp/library/alpine';

/** What a replica may be told, at a time of its own clock. */
type Write = (replica: FactReplica, now: number) => Promise<unknown>;

const image = fc.constantFrom(...images);
const tag = fc.constantFrom(...tags);
const digest = fc.constantFrom(...contents);
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.tuple(image, tag, digest).map(
    ([its, name, to]): Write =>
      ({ catalogue }, now) =>
        catalogue.setTag(its, name, { digest: to, endpoint, checkedAt: now }, now),
  ),
  fc.tuple(image, tag, digest).map(
    ([its, name, to]): Write =>
      ({ catalogue }, now) =>
        catalogue.link(
          to,
          { image: its, origin: 'push', mediaType: 'application/x', tags: [name as never] },
          now,
        ),
  ),
  fc.tuple(image, digest).map(
    ([its, to]): Write =>
      ({ catalogue }, now) =>
        catalogue.link(to, { image: its, origin: endpoint }, now),
  ),
  fc.tuple(image, tag).map(
    ([its, name]): Write =>
      ({ catalogue }, now) =>
        catalogue.dropTag(its, name, now, now),
  ),
  fc.tuple(image, tag).map(
    ([its, name]): Write =>
      ({ catalogue }) =>
        catalogue.removeTag(its, name),
  ),
  fc.tuple(image, digest).map(
    ([its, to]): Write =>
      ({ inventory }) =>
        inventory.unlink(its, to),
  ),
  image.map(
    (its): Write =>
      ({ inventory }) =>
        inventory.purge({ image: its }),
  ),
  image.map(
    (its): Write =>
      ({ catalogue }, now) =>
        catalogue.setList(its, 'tags', '', { bytes: Buffer.from(String(now)), checkedAt: now }),
  ),
  fc.tuple(image, fc.boolean()).map(
    ([its, isPinned]): Write =>
      ({ catalogue }) =>
        isPinned ? catalogue.pin(its) : catalogue.unpin(its),
  ),
  fc.tuple(image, tag, digest).map(
    ([its, name, here]): Write =>
      ({ index }, now) =>
        index.replicas.put([replica(its, name, { here, verifiedAt: now })]),
  ),
  fc.tuple(image, tag).map(
    ([its, name]): Write =>
      ({ index }, now) =>
        index.replicas.postpone({ image: its, tag: name }, now),
  ),
  fc.tuple(image, fc.boolean()).map(
    ([its, isAll]): Write =>
      ({ index }) =>
        index.replicas.forget(isAll ? { syncs: [] } : { sync: 'team', images: [its] }),
  ),
  fc.tuple(image, tag, digest, fc.boolean()).map(
    ([its, name, to, isGone]): Write =>
      ({ index }, now) => {
        const gone = isGone ? { since: now, listings: 1 } : undefined;
        const put = [{ tag: name, digest: to, gone }];
        return index.selections.change('team', its, { put, drop: [] });
      },
  ),
  fc.tuple(image, tag).map(
    ([its, name]): Write =>
      ({ index }) =>
        index.selections.change('team', its, { put: [], drop: [name] }),
  ),
);

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ replica: fc.nat(2), write }) },
  { weight: 2, arbitrary: fc.record({ replica: fc.nat(2), reach: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ ms: fc.integer({ min: 0, max: 100_000 }) }) },
  { weight: 1, arbitrary: fc.record({ settle: fc.nat(2) }) },
);
/** How much the clock of each replica is ahead, ms. */
const drifts = fc.tuple(...Array.from({ length: 3 }, () => fc.integer({ min: -200_000, max: 200_000 })));

it('three replicas come to the same, whatever they are told, apart from each other and by clocks that are wrong', async () => {
  await fc.assert(
    fc.asyncProperty(drifts, fc.array(step, { maxLength: 40 }), async (ahead, steps) => {
      const hooks: (() => unknown)[] = [];
      const during = { after: (hook: () => unknown) => void hooks.push(hook) };
      let now = Date.UTC(2026, 0, 1);
      const log = createMemoryFacts(() => now);
      const ways = ahead.map(() => log.replica());
      const replicas = await Promise.all(
        ways.map((way, n) =>
          startReplica(during, way, {
            clock: { ...systemClock, now: () => now + ahead[n]! },
            origin: `r${n}`,
          }),
        ),
      );
      try {
        for (const one of steps) {
          if ('write' in one) await one.write(replicas[one.replica]!, now + ahead[one.replica]!);
          else if ('reach' in one) ways[one.replica]!.isReachable = one.reach;
          else if ('ms' in one) now += one.ms;
          else if (ways[one.settle]!.isReachable) await replicas[one.settle]!.settled();
        }
        for (const way of ways) way.isReachable = true;
        for (let round = 0; round < 2; round += 1) for (const replica of replicas) await replica.settled();
        // Times of confirmations are of the clock of each replica where that is behind.
        now += 1_000_000;
        const [first, ...others] = await Promise.all(replicas.map((replica) => contentsOf(replica, images)));
        for (const other of others) assert.deepEqual(withoutTimes(other), withoutTimes(first));
      } finally {
        for (const hook of hooks.reverse()) await hook();
      }
    }),
    { numRuns: Number(process.env.RUNS ?? 30) },
  );
});

function withoutTimes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, its) => (key === 'checkedAt' ? undefined : its)));
}
