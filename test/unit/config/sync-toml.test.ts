import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readServerToml } from '../../../src/config/server-toml.ts';
import { createTagSelection } from '../../../src/replication/tag-selection.ts';

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
        digests: [],
        immutable: [],
        platforms: [],
        referrers: 'all',
        removal: undefined,
        pin: false,
        bandwidth: undefined,
        window: undefined,
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
      referrers = ["application/spdx+json"]
      missing = "delete"
      grace = "3d"
      max_delete = "2.5%"
      pin = true
      bandwidth = "20MiB/s"
      window = "20:00-06:00"
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
        digests: [],
        referrers: ['application/spdx+json'],
        removal: { grace: 3 * 86_400_000, most: { share: 0.025 } },
        pin: true,
        bandwidth: 20 * 1024 * 1024,
        window: { from: '20:00', to: '06:00', timezone: 'Europe/Berlin' },
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
      [
        'referrers = "some"',
        '4: sync.referrers must be "all", "none" or a list of artifact types, not "some"',
      ],
      [
        'referrers = ["spdx"]',
        '4: each item of sync.referrers must be an artifact type such as "application/spdx+json", not "spdx"',
      ],
      ['missing = "remove"', '4: sync.missing must be "keep" or "delete", not "remove"'],
      ['grace = "3d"', '4: sync.grace needs missing = "delete" beside it: else nothing goes'],
      ['max_delete = 5', '4: sync.max_delete needs missing = "delete" beside it: else nothing goes'],
      ...['"101%"', '"ten"', '-1', '1.5', '"10"'].map(
        (wrong) =>
          [
            `missing = "delete"\nmax_delete = ${wrong}`,
            `5: sync.max_delete must be a share such as "10%", at most "100%", or a number of tags from 0 to 1000000, not ${wrong}`,
          ] as const,
      ),
      ['pin = "yes"', '4: sync.pin must be true or false, not "yes"'],
      ...['"20MiB"', '"1kB/s"', '"fast"', '"65536/s"'].map(
        (wrong) =>
          [
            `bandwidth = ${wrong}`,
            `4: sync.bandwidth must be a rate like "20MiB/s" or "500kB/s", at least "64KiB/s", not ${wrong}`,
          ] as const,
      ),
      ...['"20:00"', '"25:00-06:00"', '"20:00-20:00"', '"8pm-6am"'].map(
        (wrong) =>
          [
            `window = ${wrong}`,
            `4: sync.window must be two times of a day such as "20:00-06:00", not ${wrong}`,
          ] as const,
      ),
      [
        'window = "20:00-06:00"\ntimezone = "Mars/Base"',
        '5: sync.timezone: no time zone is named "Mars/Base"; write a name such as "Europe/Berlin"',
      ],
      [
        'digests = ["sha256:12"]',
        '4: each item of sync.digests must be a digest such as "sha256:" and 64 hexadecimal digits, not "sha256:12"',
      ],
      [
        `digests = ["sha256:${'a'.repeat(64)}"]\ntags = { newest = 1 }`,
        '4: sync.digests and sync.tags exclude each other: write two [[sync]] blocks',
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
    const daily = read('[[sync]]\nname = "a"\nsource = "x/y"\ncron = "@daily"');
    assert.deepEqual(daily.problems, []);
    for (const [lines, reason] of [
      ['every = "10s"', /sync\.every must be a duration .*from "1m"/],
      ['every = "1h"\ncron = "0 * * * *"', /exclude each other/],
      ['cron = "0 0 31 2 *"', /sync\.cron "0 0 31 2 \*": names no time that will ever come/],
      ['cron = "61 * * * *"', /sync\.cron .*61/],
      ['cron = "15 2 * *"', /sync\.cron "15 2 \* \*": it has five fields \(minute, .*"15 2 \* \* \*"/],
      ['cron = "0 15 2 * * *"', /it has five fields/],
      ['cron = "daily"', /such as "@daily"/],
      ['cron = "0 * * * *"\ntimezone = "Nowhere/X"', /no time zone is named "Nowhere\/X"/],
      ['timezone = "UTC"', /needs cron/],
    ] as const) {
      const problems = problemsOf(lines);
      assert.equal(problems.length, 1, lines);
      assert.match(problems[0] ?? '', reason);
    }
  });

  it('takes digests of one repository only', () => {
    const { problems } = read(
      `[[sync]]\nname="a"\nsource="quay.io/{a,b}"\ndigests=["sha256:${'a'.repeat(64)}"]`,
    );
    assert.match(problems[0]?.message ?? '', /needs a source that names one repository/);
  });

  it('reads a regular expression that would explode elsewhere, and answers it in linear time', () => {
    const { server, problems } = read('[[sync]]\nname="a"\nsource="x.io/y"\ntags={regex="(a+)+b"}');
    assert.deepEqual(problems, []);
    // A backtracking engine would take longer than the universe is old.
    const selection = createTagSelection(server.syncs[0]!.tags);
    assert.deepEqual(selection.byName([`${'a'.repeat(127)}c`, `${'a'.repeat(127)}b`]), [
      `${'a'.repeat(127)}b`,
    ]);
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
