import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createCacheIndex } from '../../src/cache/index/cache-index.ts';
import { type FactPosition, readPosition, writePosition } from '../../src/cache/index/facts/fact-position.ts';
import { openIndex } from '../../src/cache/index/open-index.ts';
import { createSelfRepairingIndex } from '../../src/cache/index/self-repairing-index.ts';
import { FactRefused } from '../../src/cache/shared/facts.ts';
import { Unavailable } from '../../src/cache/shared/unavailable.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { named } from '../contract/index-fixture.ts';
import { replica } from '../contract/replica-store.ts';
import { createManualClock } from '../support/clock.ts';
import { eventually } from '../support/eventually.ts';
import { type FactReplica, startReplica } from '../support/fact-replicas.ts';
import { createMemoryFacts, type MemoryFacts } from '../support/memory-facts.ts';
import { tempFolder } from '../support/temp-folder.ts';

const image = 'docker.io/library/alpine';
const endpoint = 'm1.corp/library/alpine';
const year = 365 * 24 * 60 * 60 * 1000;

const confirm = ({ catalogue }: FactReplica, tag: string, content: string, now = Date.now()) =>
  catalogue.setTag(image, tag, { digest: named(content), endpoint, checkedAt: now }, now);
const push = (
  { catalogue }: Pick<FactReplica, 'catalogue'>,
  tag: string,
  content: string,
  now = Date.now(),
) => catalogue.link(named(content), { image, origin: 'push', mediaType: 'a/b', tags: [tag as never] }, now);
const notDamaged = (): never => {
  throw new Error('the index is not damaged');
};
const unrepaired = {
  setAside: notDamaged,
  open: notDamaged,
  makeRoom: () => false,
};
const meaningOf = async ({ catalogue }: FactReplica, tag: string) =>
  (await catalogue.tag(image, tag))?.digest;

async function both(t: TestContext) {
  const log = createMemoryFacts();
  return { log, one: await startReplica(t, log), other: await startReplica(t, log) };
}

async function settled(...replicas: readonly FactReplica[]): Promise<void> {
  for (let round = 0; round < 2; round += 1) for (const replica of replicas) await replica.settled();
}

describe('the exchange of facts', () => {
  it('calls a tag pending whose process was killed, and no tag that another replica is at', async (t) => {
    const log = createMemoryFacts();
    const path = join(tempFolder(t), 'index');
    const killed = await startReplica(t, log, { path });
    const other = await startReplica(t, log);
    await killed.index.replicas.put([replica(image, 'mine', { state: 'running' })]);
    await other.index.replicas.put([replica(image, 'its', { state: 'running' })]);
    await settled(killed, other);
    // As a killed process leaves it: the states stay as they are.
    await killed.stop();
    const again = await startReplica(t, log, { path });
    await settled(again, other);
    for (const { index } of [again, other]) {
      const rows = await index.replicas.ofImage(image);
      assert.deepEqual(
        rows.map(({ tag, state }) => `${tag} ${state}`),
        ['its running', 'mine pending'],
      );
    }
  });

  it('lets a machine whose clock is a year ahead win for no more than a minute', async (t) => {
    let now = Date.UTC(2026, 0, 1);
    const log = createMemoryFacts(() => now);
    const wrong = await startReplica(t, log, { clock: { ...systemClock, now: () => now + year } });
    const right = await startReplica(t, log, { clock: { ...systemClock, now: () => now } });
    await confirm(wrong, 'latest', 'a', now + year);
    await settled(wrong, right);
    assert.equal(await meaningOf(right, 'latest'), named('a'));
    assert.equal(
      (await right.catalogue.tag(image, 'latest'))?.checkedAt,
      now,
      'it is revalidated in its time',
    );
    now += 61_000;
    await confirm(right, 'latest', 'b', now);
    await settled(wrong, right);
    assert.equal(await meaningOf(wrong, 'latest'), named('b'));
  });

  it('tells of a push that comes after the clock was set back', async (t) => {
    const now = Date.UTC(2026, 0, 1);
    let ahead = 3_600_000;
    const log = createMemoryFacts(() => now);
    const one = await startReplica(t, log, { clock: { ...systemClock, now: () => now + ahead } });
    const other = await startReplica(t, log, { clock: { ...systemClock, now: () => now } });
    await push(one, 'latest', 'a', now + ahead);
    await settled(one, other);
    ahead = 0;
    await push(one, 'latest', 'b', now);
    await settled(one, other);
    for (const replica of [one, other]) assert.equal(await meaningOf(replica, 'latest'), named('b'));
  });

  it('keeps what was pushed, whatever an endpoint says of the tag later', async (t) => {
    const { one, other } = await both(t);
    await confirm(one, 'latest', 'a');
    await settled(one, other);
    await push(other, 'latest', 'b');
    await confirm(one, 'latest', 'c');
    await settled(one, other);
    for (const replica of [one, other]) assert.equal(await meaningOf(replica, 'latest'), named('b'));
    await other.catalogue.removeTag(image, 'latest');
    await settled(one, other);
    for (const replica of [one, other]) assert.equal(await meaningOf(replica, 'latest'), undefined);
  });

  it('tells what a replica said before the last stop, and reads what was said since', async (t) => {
    const log = createMemoryFacts();
    const path = join(tempFolder(t), 'index');
    const first = await startReplica(t, log, { path });
    await first.settled();
    log.isReachable = false;
    const cut = await startReplica(t, log.replica(), { path: join(tempFolder(t), 'index') });
    await first.stop();
    log.isReachable = true;
    await confirm(cut, 'two', 'b');
    const again = await startReplica(t, log, { path });
    await settled(again, cut);
    assert.equal(await meaningOf(again, 'two'), named('b'));
  });

  function setPosition(path: string, change: Partial<FactPosition>): void {
    const { index } = openIndex(path, Date.now());
    const position = readPosition(index);
    assert.ok(position);
    writePosition(index, { ...position, ...change });
    index.close();
  }
  const whileAway = {
    'when a replica comes back that was off': () => {},
    'and another server has taken over meanwhile': (log: MemoryFacts) => log.failOver(),
    'also by a newer program': (_: MemoryFacts, path: string) => setPosition(path, { kinds: 'tag,link' }),
    'and another server takes over while it reads': (log: MemoryFacts, path: string) => {
      setPosition(path, { reading: 'late', seq: 0, round: 7 });
      log.failOver();
    },
  };
  for (const [title, change] of Object.entries(whileAway)) {
    it(`takes away what was deleted long ago, ${title}`, async (t) => {
      const log = createMemoryFacts();
      const path = join(tempFolder(t), 'index');
      const away = await startReplica(t, log, { path });
      const here = await startReplica(t, log);
      await push(here, 'v1', 'a');
      await push(here, 'v2', 'b');
      await settled(here, away);
      await away.stop();
      await here.inventory.unlink(image, named('a'));
      await here.settled();
      assert.ok((await log.forget({ gone: Number.MAX_SAFE_INTEGER, heard: 0 })) > 0);
      change(log, path);
      const back = await startReplica(t, log, { path });
      await back.exchange.known;
      assert.deepEqual(await back.catalogue.tags(image), ['v2']);
      assert.deepEqual(await back.catalogue.linkedBy(image), [named('b')]);
      await settled(back, here);
      assert.deepEqual(await here.catalogue.tags(image), ['v2'], 'and does not bring it back to others');
    });
  }

  it('tells what it has after a long time off, where the log was restored: that may have lost it', async (t) => {
    const log = createMemoryFacts();
    const path = join(tempFolder(t), 'index');
    const away = await startReplica(t, log, { path });
    const here = await startReplica(t, log);
    await push(away, 'v1', 'a');
    await settled(here, away);
    await away.stop();
    await push(here, 'v2', 'b');
    await here.catalogue.removeTag(image, 'v2');
    await here.settled();
    await log.forget({ gone: Number.MAX_SAFE_INTEGER, heard: 0 });
    await here.stop();
    log.restore([]);
    const back = await startReplica(t, log, { path });
    await back.exchange.known;
    await back.settled();
    assert.deepEqual(log.facts.map(({ kind }) => kind).toSorted(), ['hostedLink', 'hostedTag']);
  });

  it('keeps what was pushed while facts were off, although it was deleted elsewhere before', async (t) => {
    const { log, one, other } = await both(t);
    await push(one, 'v1', 'a');
    await settled(one, other);
    await one.inventory.unlink(image, named('a'));
    await settled(one, other);
    const alone = join(tempFolder(t), 'index');
    const { index: rows } = openIndex(alone, Date.now());
    const unshared = createCacheIndex(
      createSelfRepairingIndex({ index: rows, setAside: undefined }, unrepaired),
      () => [],
    );
    await push(unshared, 'v1', 'a');
    unshared.close();
    const back = await startReplica(t, log, { path: alone });
    await back.exchange.known;
    await settled(back, one, other);
    for (const replica of [back, one, other]) {
      assert.equal(await meaningOf(replica, 'v1'), named('a'));
      assert.deepEqual(await replica.catalogue.linkedBy(image), [named('a')]);
    }
  });

  it('keeps what was pushed again, although another replica had deleted it a moment before', async (t) => {
    let now = Date.UTC(2026, 0, 1);
    const clock = { ...systemClock, now: () => now };
    const log = createMemoryFacts(() => now);
    const way = log.replica();
    const one = await startReplica(t, way, { clock });
    const other = await startReplica(t, log, { clock });
    const contents = ['a', 'layer'].map(named);
    await push(one, 'v1', 'a', now);
    await one.catalogue.link(named('layer'), { image, origin: 'push' }, now);
    await settled(one, other);
    way.isReachable = false;
    now += 1000;
    for (const digest of contents) await other.inventory.unlink(image, digest);
    await other.settled();
    now += 1000;
    // As a client does that asks for the layer first: it is there, so the manifest alone is pushed.
    assert.equal(await one.catalogue.adopt(image, named('layer'), now), true);
    await push(one, 'v1', 'a', now);
    way.isReachable = true;
    await settled(one, other);
    for (const replica of [one, other]) {
      assert.equal(await meaningOf(replica, 'v1'), named('a'));
      assert.deepEqual((await replica.catalogue.linkedBy(image)).toSorted(), contents.toSorted());
    }
    assert.deepEqual(one.unlinked, []);
  });

  it('compares nothing after the first reading on an empty disk, also when that was broken off', async (t) => {
    const log = createMemoryFacts();
    const one = await startReplica(t, log);
    for (let number = 0; number < 300; number += 1) await confirm(one, `v${number}`, 'a');
    await one.settled();
    const path = join(tempFolder(t), 'index');
    let pages = 0;
    const breaking = {
      ...log,
      async after(seq: number, limit: number) {
        pages += 1;
        if (pages > 1) throw new Unavailable('cut off in the middle');
        return log.after(seq, Math.min(limit, 100));
      },
    };
    const broken = await startReplica(t, breaking, { path });
    await eventually('it was cut off', () => pages > 1);
    await push(broken, 'mine', 'b');
    await broken.stop();
    const empty = await startReplica(t, log, { path });
    await settled(empty, one);
    const [read] = empty.lines.filter(({ event }) => event === 'facts.read');
    assert.equal(read?.reading, 'first');
    assert.equal((await empty.catalogue.tags(image)).length, 301);
    assert.equal(await meaningOf(one, 'mine'), named('b'));
  });

  it('has told what a replica said although that goes on saying more', async (t) => {
    const log = createMemoryFacts();
    let appends = 0;
    const append: MemoryFacts['append'] = async (facts) => {
      appends += 1;
      if (appends <= 20) await push(one, `more-${appends}`, `more ${appends}`);
      return log.append(facts);
    };
    const one = await startReplica(t, { ...log, append });
    await one.exchange.known;
    await push(one, 'v1', 'a');
    await one.exchange.told();
    assert.ok(appends < 20, `${appends} appends`);
    assert.ok(log.facts.some(({ key }) => key === 'v1'));
  });

  it('stops although the log does not answer any more', async (t) => {
    const log = createMemoryFacts();
    const clock = createManualClock(Date.now());
    let isFrozen = false;
    const state = () => (isFrozen ? new Promise<never>(() => {}) : log.state());
    const one = await startReplica(t, { ...log, state }, { clock });
    await one.exchange.known;
    isFrozen = true;
    const heard = one.exchange.upToDate();
    const stopped = one.stop();
    await clock.advance(2000);
    await stopped;
    assert.equal(await heard, false);
  });

  it('tells all again to a log that was restored from an old backup', async (t) => {
    const { log, one, other } = await both(t);
    await push(one, 'v1', 'a');
    await confirm(other, 'latest', 'b');
    await other.catalogue.pin('docker.io/**');
    await settled(one, other);
    const before = log.facts.map(({ kind, key }) => `${kind} ${key}`).toSorted();
    log.restore([]);
    await eventually('all is told again', () => log.facts.length === before.length);
    await settled(one, other);
    const after = log.facts.map(({ kind, key }) => `${kind} ${key}`).toSorted();
    assert.deepEqual(after, before);
  });

  it('goes on after a fact that the log does not take', async (t) => {
    const log = createMemoryFacts();
    const picky = {
      ...log,
      async append(facts: Parameters<typeof log.append>[0]) {
        if (facts.some(({ key }) => key === 'bad')) throw new FactRefused('no');
        return log.append(facts);
      },
    };
    const one = await startReplica(t, picky);
    await one.exchange.known;
    await confirm(one, 'bad', 'a');
    await confirm(one, 'good', 'b');
    await one.settled();
    assert.deepEqual(
      log.facts.map(({ key }) => key),
      ['good'],
    );
    const refused = one.lines.filter(({ event }) => event === 'facts.refused');
    assert.deepEqual(
      refused.map(({ image: its, reason }) => [its, reason]),
      [[image, 'no']],
    );
  });

  it('keeps what the log fails to take for a reason that is not its form', async (t) => {
    const log = createMemoryFacts();
    let fails = true;
    let tries = 0;
    const broken = {
      ...log,
      async append(facts: Parameters<typeof log.append>[0]) {
        tries += 1;
        if (fails) throw new Error('the table is being restored');
        return log.append(facts);
      },
    };
    const one = await startReplica(t, broken);
    await one.exchange.known;
    await push(one, 'v1', 'a');
    await eventually('it was tried', () => tries > 0);
    await eventually('the failure is told', () => one.lines.some(({ event }) => event === 'facts.failed'));
    assert.equal(one.exchange.state().waiting, 2);
    fails = false;
    await eventually('it is sent', () => log.facts.length === 2);
    assert.deepEqual(
      one.lines.filter(({ event }) => event === 'facts.refused'),
      [],
    );
  });

  it('sends nothing that was said again: a link, a list without a change', async (t) => {
    const { log, one } = await both(t);
    const link = { image, origin: endpoint };
    const list = { bytes: Buffer.from('[]'), checkedAt: Date.now() };
    await one.catalogue.link(named('a'), link, 1);
    await one.catalogue.setList(image, 'tags', '', list);
    await one.settled();
    const places = log.facts.map(({ seq }) => seq);
    await one.catalogue.link(named('a'), link, 2);
    await one.catalogue.setList(image, 'tags', '', { ...list, checkedAt: list.checkedAt + 1000 });
    await one.settled();
    assert.deepEqual(
      log.facts.map(({ seq }) => seq),
      places,
    );
  });
});
