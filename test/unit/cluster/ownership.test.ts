import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createRanking, membersBefore, ranked, scoreOf } from '../../../src/cluster/ownership.ts';
import { shardCount, shardOf } from '../../../src/cluster/shards.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Repository, Tag } from '../../../src/oci/reference.ts';

const shards = Array.from({ length: shardCount }, (_, shard) => shard);
const membersOf = (ids: readonly string[]) => ids.map((id) => ({ id }));
const idsOf = (members: readonly { id: string }[]) => members.map(({ id }) => id);
const owners = (ids: readonly string[]) => shards.map((shard) => ranked(shard, membersOf(ids))[0]?.id);
const replicas = (count: number) => Array.from({ length: count }, (_, at) => `10.0.0.${at + 1}:5000`);

const someIds = fc.uniqueArray(
  fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 })).map(([address, port]) => `${address}:${port}`),
  { minLength: 2, maxLength: 12 },
);

describe('the owner of a shard', () => {
  it('is the same on every replica, in whatever order each knows the members', () => {
    fc.assert(
      fc.property(someIds, fc.nat(255), fc.func(fc.integer()), (ids, shard, key) => {
        const shuffled = ids.toSorted((a, b) => key(a) - key(b));
        assert.deepEqual(ranked(shard, membersOf(shuffled)), ranked(shard, membersOf(ids)));
      }),
    );
  });

  it('changes only from the member that leaves, or to the one that joins', () => {
    fc.assert(
      fc.property(someIds, (ids) => {
        const [gone, ...rest] = ids;
        const before = owners(ids);
        const after = owners(rest);
        for (const shard of shards) {
          if (before[shard] !== gone) assert.equal(after[shard], before[shard]);
        }
      }),
    );
  });

  it('moves about 1/n of the shards when one of n replicas leaves, and spreads them over the others', () => {
    for (const count of [2, 3, 4, 8]) {
      const ids = replicas(count);
      const before = owners(ids);
      const after = owners(ids.slice(1));
      const moved = shards.filter((shard) => before[shard] !== after[shard]);
      const share = shardCount / count;
      assert.ok(moved.length > share * 0.6 && moved.length < share * 1.4, `${moved.length} of ${shardCount}`);
      assert.equal(new Set(moved.map((shard) => after[shard])).size, count - 1);
    }
  });

  it('leaves the order of the others as it is', () => {
    fc.assert(
      fc.property(someIds, fc.nat(255), (ids, shard) => {
        const [gone] = ids;
        const order = idsOf(ranked(shard, membersOf(ids)));
        const without = idsOf(ranked(shard, membersOf(ids.filter((id) => id !== gone))));
        assert.deepEqual(
          without,
          order.filter((id) => id !== gone),
        );
      }),
    );
  });

  it('never lets two replicas wait for each other, whatever members each of them knows', () => {
    fc.assert(
      fc.property(someIds, someIds, fc.nat(255), (ofFirst, ofSecond, shard) => {
        const [a = '', b = ''] = ofFirst;
        const waitsFor = (self: string, known: readonly string[]) =>
          idsOf(membersBefore(ranked(shard, membersOf([...new Set([...known, self])])), self));
        const mutual = waitsFor(a, ofFirst).includes(b) && waitsFor(b, [a, ...ofSecond]).includes(a);
        assert.equal(mutual, false);
        for (const id of waitsFor(a, ofFirst)) assert.ok(scoreOf(shard, id) > scoreOf(shard, a));
      }),
    );
  });

  it('is reckoned once for each shard', () => {
    const rank = createRanking(membersOf(replicas(4)));
    assert.equal(rank(7), rank(7));
    assert.deepEqual(rank(7), ranked(7, membersOf(replicas(4))));
  });

  it('is every member for a replica that is none of them', () => {
    const order = membersOf(['a:1', 'b:1']);
    assert.deepEqual(membersBefore(order, 'c:1'), order);
    assert.deepEqual(membersBefore(order, 'b:1'), membersOf(['a:1']));
    assert.deepEqual(membersBefore(order, 'a:1'), []);
  });
});

describe('the shard', () => {
  const image = { registry: 'docker.io', repository: 'library/app' as Repository };

  it('of a digest is its first byte, with a tag or without, in any repository', () => {
    const digest = `sha256:ab${'0'.repeat(62)}` as Digest;
    assert.equal(shardOf({ ...image, digest }), 0xab);
    assert.equal(
      shardOf({ registry: 'quay.io', repository: 'x/y' as Repository, digest, tag: '1' as Tag }),
      0xab,
    );
  });

  it('of a tag and of a tag list is that of its name: these must stay as they are, or a rolling upgrade splits the cluster', () => {
    assert.equal(shardOf({ ...image, tag: '1' as Tag }), 0xc6);
    assert.equal(shardOf(image), 0x2e);
    assert.equal(scoreOf(198, 'e1:5000'), 0x6cac57f49f71);
  });
});
