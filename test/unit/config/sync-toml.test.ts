import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readServerToml } from '../../../src/config/server-toml.ts';

function read(text: string) {
  return readServerToml({ file: 'entrepot.toml', text }, '/srv');
}

function problemsOf(lines: string) {
  const { problems } = read(`[[sync]]\nname = "ubi"\nsource = "quay.io/team/app"\n${lines}\n`);
  return problems.map(({ line, message }) => `${line}: ${message}`);
}

describe('[[sync]]', () => {
  it('has defaults for all but name and source', () => {
    const { server, problems } = read('[[sync]]\nname = "ubi"\nsource = "quay.io/team/app"');
    assert.deepEqual(problems, []);
    assert.deepEqual(server.syncs, [
      {
        name: 'ubi',
        source: 'quay.io/team/app',
        tags: {
          include: [],
          exclude: [],
          regex: undefined,
          semver: undefined,
          newest: undefined,
          newerThan: undefined,
        },
        immutable: [],
        platforms: [],
        referrers: 'all',
        timeout: 7_200_000,
        floor: undefined,
        when: undefined,
      },
    ]);
  });

  it('takes every key', () => {
    const { server, problems } = read(`
      [[sync]]
      name = "ubi"
      source = "registry.access.redhat.com/ubi8/{ubi-minimal,ubi}"
      tags = { include = ["8.*", "/9\\\\.\\\\d+/"], exclude = ["*-source"], regex = "[89].*", semver = ">=8.6 <9", newest = 5, newer_than = "365d" }
      immutable = ["8.*-*"]
      platforms = ["linux/amd64", "linux/arm/v7"]
      referrers = "none"
      timeout = "1h"
      floor = 50
      cron = "15 2 * * *"
      timezone = "Europe/Berlin"`);
    assert.deepEqual(problems, []);
    assert.deepEqual(server.syncs, [
      {
        name: 'ubi',
        source: 'registry.access.redhat.com/ubi8/{ubi-minimal,ubi}',
        tags: {
          include: ['8.*', '/9\\.\\d+/'],
          exclude: ['*-source'],
          regex: '[89].*',
          semver: '>=8.6 <9',
          newest: 5,
          newerThan: 365 * 86_400_000,
        },
        immutable: ['8.*-*'],
        platforms: ['linux/amd64', 'linux/arm/v7'],
        referrers: 'none',
        timeout: 3_600_000,
        floor: 50,
        when: { cron: '15 2 * * *', timezone: 'Europe/Berlin' },
      },
    ]);
  });

  it('names each mistake with its line and what is expected', () => {
    for (const [lines, expected] of [
      ['sourse = "x"', '4: unknown key "sourse" in [[sync]]: did you mean source?'],
      ['tags = { newst = 5 }', '4: unknown key "newst" in [sync.tags]: did you mean newest?'],
      [
        'tags = { include = ["(a"] }',
        '4: sync.tags.include: "(a" holds a character that no tag and no glob has',
      ],
      [
        'tags = { regex = "(a" }',
        '4: sync.tags.regex "(a" is no regular expression of RE2: missing closing ): `(a`',
      ],
      [
        'tags = { include = ["/(a/"] }',
        '4: sync.tags.include: "/(a/" is no regular expression of RE2: missing closing ): `(a`',
      ],
      [
        'immutable = ["v{1"]',
        '4: sync.immutable: "v{1" has a bracket that is not closed, or a comma outside of braces',
      ],
      [
        'tags = { semver = "8.6 or so" }',
        '4: sync.tags.semver must be a range of versions such as ">=8.6 <9", not "8.6 or so"',
      ],
      ['tags = { newest = 0 }', '4: sync.tags.newest must be a whole number from 1 to 10000, not 0'],
      [
        'platforms = ["amd64"]',
        '4: each item of sync.platforms must be a platform such as "linux/amd64" or "linux/arm/v7", not "amd64"',
      ],
      ['floor = -1', '4: sync.floor must be a whole number from 1 to 1000000, not -1'],
    ] as const) {
      assert.deepEqual(problemsOf(lines), [expected]);
    }
  });

  it('runs every so often, or at times of a cron expression that come, and not both', () => {
    const { server } = read('[[sync]]\nname = "a"\nsource = "x/y"\nevery = "6h"');
    assert.deepEqual(server.syncs[0]?.when, { every: 6 * 3_600_000 });
    const utc = read('[[sync]]\nname = "a"\nsource = "x/y"\ncron = "0 * * * *"');
    assert.deepEqual(utc.server.syncs[0]?.when, { cron: '0 * * * *', timezone: 'UTC' });
    for (const [lines, reason] of [
      ['every = "10s"', /sync\.every must be a duration .*from "1m"/],
      ['every = "1h"\ncron = "0 * * * *"', /exclude each other/],
      ['cron = "0 0 31 2 *"', /sync\.cron "0 0 31 2 \*": names no time that will ever come/],
      ['cron = "61 * * * *"', /sync\.cron .*61/],
      ['cron = "0 * * * *"\ntimezone = "Nowhere/X"', /no time zone is named "Nowhere\/X"/],
      ['timezone = "UTC"', /needs cron/],
    ] as const) {
      const problems = problemsOf(lines);
      assert.equal(problems.length, 1, lines);
      assert.match(problems[0] ?? '', reason);
    }
  });

  it('needs a name of its own and a source that names repositories', () => {
    const problems = (text: string) => read(text).problems.map(({ message }) => message);
    assert.equal(problems('[[sync]]').length, 2);
    assert.match(
      problems('[[sync]]\nname="a"\nsource="x/y"\n[[sync]]\nname="a"\nsource="x/z"').join(),
      /"a" is the name of another/,
    );
    for (const [source, reason] of [
      ['quay.io/team/app:1', /names a tag/],
      ['quay.io/{a,b', /brace/],
      ['quay.io/{0,1}'.padEnd(80, '{0,1}'), /brace/],
      ['team/*', /needs the registry/],
      ['*.io/team/a', /registry/],
      ['quay.io/Team/app', /upper-case/],
      ['https://quay.io/a', /invalid/],
    ] as const) {
      assert.match(problems(`[[sync]]\nname="a"\nsource="${source}"`).join(), reason, source);
    }
  });
});
