import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SyncTags } from '../../../src/config/sync-config.ts';
import { createTagSelection } from '../../../src/replication/tag-selection.ts';
import { versionOf } from '../../../src/replication/tag-version.ts';

const all: SyncTags = {
  include: [],
  exclude: [],
  regex: undefined,
  semver: undefined,
  newest: undefined,
  newerThan: undefined,
};
const day = 86_400_000;
const now = Date.UTC(2026, 0, 31);

function select(rule: Partial<SyncTags>, tags: readonly string[], ages: Record<string, number> = {}) {
  const selection = createTagSelection({ ...all, ...rule });
  const created = new Map(Object.entries(ages).map(([tag, days]) => [tag, now - days * day]));
  return selection.byTime(selection.byName(tags), created, now);
}

describe('the tags that a block selects', () => {
  const attached = `sha256-${'a'.repeat(64)}`;

  it('are, without a rule, all but those of signatures and referrers', () => {
    const long = `sha512-${'a'.repeat(64)}`;
    assert.deepEqual(select({}, ['latest', attached, long, `${attached}.sig`, '1']), ['latest', '1']);
    assert.deepEqual(select({ include: ['*'] }, ['latest', attached]), ['latest', attached]);
  });

  it('pass include, then exclude, then the regular expression', () => {
    const tags = ['8.9', '8.10', '8.10-source', '9.1', 'latest'];
    assert.deepEqual(select({ include: ['8.*'] }, tags), ['8.9', '8.10', '8.10-source']);
    assert.deepEqual(select({ include: ['8.*', '/9.\\d/'], exclude: ['*-source'] }, tags), [
      '8.9',
      '8.10',
      '9.1',
    ]);
    assert.deepEqual(select({ exclude: ['/.*[05]/'] }, tags), ['8.9', '8.10-source', '9.1', 'latest']);
    assert.deepEqual(select({ include: ['8.*'], regex: '\\d\\.\\d+' }, tags), ['8.9', '8.10']);
  });

  it('are in the range of versions; what is no version is not', () => {
    const tags = ['v1.2.3', '1.3', '2', '1.3_build4', 'latest', '1.2.3.4', '1.4.0-rc1', '24.04'];
    assert.deepEqual(select({ semver: '>=1.2 <3' }, tags), ['v1.2.3', '1.3', '2', '1.3_build4']);
    assert.deepEqual(select({ semver: '>=24.4' }, tags), ['24.04']);
  });

  it('are pre-releases only where the range names one', () => {
    const tags = ['8.6', '8.10-1052', '8.6.1-rc1', '9.0-beta'];
    assert.deepEqual(select({ semver: '>=8.6 <9' }, tags), ['8.6']);
    assert.deepEqual(select({ semver: '>=8.6.0-0 <9.0.0-0' }, tags), ['8.6', '8.10-1052', '8.6.1-rc1']);
  });

  it('are the newest versions if a range gives their order, whatever the times say', () => {
    const tags = ['1.9', '1.10', '1.2', 'v1.10.1', '1.10_b2'];
    assert.deepEqual(select({ semver: '*', newest: 2 }, tags, { '1.2': 1 }), ['v1.10.1', '1.10_b2']);
    assert.deepEqual(select({ semver: '*', newest: 9 }, tags), tags);
    // Not in the order of their texts.
    assert.deepEqual(select({ semver: '*', newest: 1 }, ['1.9', '1.10', '1.2']), ['1.10']);
    assert.deepEqual(select({ semver: '*', newest: 2 }, ['9.0', '10.0', '8.0', '11.0']), ['10.0', '11.0']);
  });

  it('are else the newest images, and those of an unknown time in addition', () => {
    const tags = ['old', 'new', 'newer', 'epoch', 'future', 'unread'];
    const ages = { old: 9, new: 3, newer: 2, epoch: now / day, future: -5 };
    assert.deepEqual(select({ newest: 2 }, tags, ages), ['new', 'newer', 'epoch', 'future', 'unread']);
    assert.deepEqual(select({ newest: 1 }, ['a', 'b'], { a: 1, b: 1 }), ['b']);
    assert.deepEqual(select({ newest: 1 }, ['b', 'a'], { a: 1, b: 1 }), ['b']);
  });

  it('are young enough, or of an unknown time; the newest are counted after that', () => {
    const tags = ['1.0', '1.1', '1.2', '1.3'];
    const ages = { '1.0': 1, '1.1': 2, '1.2': 400 };
    assert.deepEqual(select({ newerThan: 365 * day }, tags, ages), ['1.0', '1.1', '1.3']);
    assert.deepEqual(select({ newerThan: 2 * day }, tags, ages), ['1.0', '1.1', '1.3']);
    assert.deepEqual(select({ newerThan: 365 * day, semver: '<1.3', newest: 1 }, tags, ages), ['1.1']);
  });

  it('need times of creation only for what orders by time', () => {
    const needs = (rule: Partial<SyncTags>) => createTagSelection({ ...all, ...rule }).needsTimes;
    assert.deepEqual([{}, { newest: 3, semver: '*' }, { newest: 3 }, { newerThan: day }].map(needs), [
      false,
      false,
      true,
      true,
    ]);
  });

  it('stay the same where nothing matches', () => {
    assert.deepEqual(select({ include: ['none'], newest: 3 }, ['a']), []);
  });
});

it('a version has one to three numbers, a pre-release, and a build after "_"', () => {
  for (const [tag, version] of [
    ['v1', '1.0.0'],
    ['1.2', '1.2.0'],
    ['1.2.3-rc.1', '1.2.3-rc.1'],
    ['8.10-1052.1724178568', '8.10.0-1052.1724178568'],
    ['1.2.3_b_4', '1.2.3'],
    ['22.04', '22.4.0'],
    ['1.2.3.4', undefined],
    ['latest', undefined],
    ['1.2-', undefined],
    ['1.2-a..b', undefined],
    ['v', undefined],
    ['99999999999999999999', undefined],
    ['999999999999999', '999999999999999.0.0'],
  ] as const) {
    assert.equal(versionOf(tag)?.version, version, tag);
  }
});
