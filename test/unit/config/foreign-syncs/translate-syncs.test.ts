import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { translateSyncs } from '../../../../src/config/foreign-syncs/translate-syncs.ts';
import { readServerToml } from '../../../../src/config/server-toml.ts';
import { createTagSelection } from '../../../../src/replication/tag-selection.ts';

/** The file as text of entrepot.toml, and `LINE: message` of all warnings. */
function translate(text: string) {
  const { blocks, warnings, leftOut } = translateSyncs(text, 'x.yml');
  return {
    toml: blocks.map((block) => block.text).join('\n'),
    warnings: warnings.map(({ line, message }) => `${line}: ${message}`),
    leftOut,
  };
}

/** `[[sync]]` blocks as the server reads them. */
function blocksOf(toml: string) {
  const { server, problems } = readServerToml({ file: 'entrepot.toml', text: toml }, '/');
  assert.deepEqual(problems, []);
  return server.syncs;
}

/** Tags of `all` that the only block of a file selects. */
function selected(text: string, all: readonly string[]): readonly string[] {
  const { toml, warnings } = translate(text);
  const [block, ...others] = blocksOf(toml);
  assert.ok(block && others.length === 0, warnings.join('\n'));
  return createTagSelection(block.tags).byName(all);
}

/** The lines begin so, each in turn. */
function begin(lines: readonly string[], starts: readonly string[]): void {
  assert.deepEqual(
    lines.map((line, at) => line.slice(0, starts[at]?.length)),
    starts,
  );
}

const repository = (tags: string) => `sync:\n  - {source: quay.io/team/app, type: repository, ${tags}}\n`;

describe('a file of regsync', () => {
  it('becomes blocks with its defaults, in UTC', () => {
    const { toml, warnings } = translate(`
version: 1
x-nightly: &nightly "15 01 * * *"
defaults: {interval: 90m, ratelimit: {min: 100}}
sync:
  - {source: "busybox:1.36", target: "local:5000/library/busybox:1.36", type: image}
  - source: alpine
    target: local:5000/mirror/alpine
    type: repository
    tags: {allow: ["3", '3\\.\\d+'], deny: ['3\\.0']}
    platforms: [linux/amd64, linux/arm64]
    schedule: *nightly
    referrers: true
`);
    assert.equal(
      toml,
      `[[sync]]
name = "library-busybox-1.36"
source = "docker.io/library/busybox"
tags = { include = ["1.36"] }
referrers = "none"
floor = 100
every = "90m"

[[sync]]
name = "library-alpine"
source = "docker.io/library/alpine"
tags = { include = ["/3/", "/3\\\\.\\\\d+/"], exclude = ["/3\\\\.0/"] }
platforms = ["linux/amd64", "linux/arm64"]
floor = 100
cron = "15 01 * * *"
`,
    );
    assert.deepEqual(warnings, [
      '7: the target local:5000/mirror/alpine is not kept: clients find it here as docker.io/library/alpine',
      '12: the schedule "15 01 * * *" is in UTC here: write timezone = "..." beside cron for that of your machine',
    ]);
  });

  it('selects the tags that regsync selects', () => {
    const tags = ['3', '3.1', '13', 'latest', 'edge-3', 'v1.0.0', '1.5.0', '2.0.0', '4.1.0'];
    for (const [filter, expected] of [
      ["tags: {allow: ['3\\.\\d']}", ['3.1']],
      ["tags: {allow: ['\\d.*'], deny: ['.*3']}", ['3.1', '1.5.0', '2.0.0', '4.1.0']],
      ['tags: {semverRange: [">=1.0.0 <2.0.0", ">=4"]}', ['v1.0.0', '1.5.0', '4.1.0', '13']],
      ['tags: {semverRange: [">=1.0.0, <2"], allow: ["v.*"]}', ['v1.0.0']],
      ['tags: {}', tags],
    ] as const) {
      assert.deepEqual(new Set(selected(repository(filter), tags)), new Set(expected), filter);
    }
  });

  it('has a block for each set of tags, which are joined by "or"', () => {
    const { toml } = translate(
      repository('tags: {allow: [a]}, tagSets: [{allow: [b]}, {semverRange: [">2"]}]'),
    );
    assert.deepEqual(
      blocksOf(toml).map(({ name, tags }) => [name, tags.include, tags.semver]),
      [
        ['team-app', ['/a/'], undefined],
        ['team-app-2', ['/b/'], undefined],
        ['team-app-3', [], '>2'],
      ],
    );
  });

  it('brings the referrers that its filters let pass, or more, and says so', () => {
    const referrers = (more: string) => {
      const { toml, warnings } = translate(repository(`platforms: [linux/amd64], ${more}`));
      return [blocksOf(toml)[0]?.referrers, ...warnings];
    };
    const type = 'application/spdx+json';
    const typed = `{artifactType: ${type}}`;
    assert.deepEqual(referrers(`referrers: true, referrerFilters: [${typed}, {artifactType: a/b}]`), [
      [type, 'a/b'],
    ]);
    assert.deepEqual(referrers(`referrerFilters: [${typed}]`), ['none']);
    assert.deepEqual(referrers('referrers: true, referrerFilters: []'), ['all']);
    assert.deepEqual(
      referrers(`referrers: true, referrerFilters: [{artifactType: ${type}, annotations: {k: v}}]`),
      [
        [type],
        `2: quay.io/team/app: referrerFilters: all of the type ${type} are brought, whatever their annotations`,
      ],
    );
    const all = ['all', '2: quay.io/team/app: referrerFilters: all referrers are brought'];
    assert.deepEqual(referrers('referrers: true, referrerFilters: [{annotations: {k: v}}]'), all);
    assert.deepEqual(referrers(`referrers: true, digestTags: true, referrerFilters: [${typed}]`), all);
  });

  it('says when it runs', () => {
    for (const [times, expected] of [
      ['interval: 1h30m', { every: 5_400_000 }],
      ['interval: 5s', { every: 60_000 }],
      ['schedule: "@every 6h"', { every: 21_600_000 }],
      ['schedule: "CRON_TZ=Europe/Berlin 0 3 * * *"', { cron: '0 3 * * *', timezone: 'Europe/Berlin' }],
      ['schedule: "0 3 * * *", interval: 1h', { cron: '0 3 * * *', timezone: 'UTC' }],
      ['interval: soon', undefined],
      ['schedule: "0 3 31 2 *"', undefined],
    ] as const) {
      assert.deepEqual(blocksOf(translate(repository(times)).toml)[0]?.when, expected, times);
    }
  });

  it('becomes one block for each name that a registry allows, or one for all', () => {
    const sources = (repos: string) => {
      const { toml, leftOut } = translate(`sync:\n  - {source: quay.io, type: registry${repos}}\n`);
      return [blocksOf(toml).map(({ source }) => source), leftOut];
    };
    assert.deepEqual(sources(''), [['quay.io/**'], 0]);
    const allow = ', repos: {allow: [team/a, "team/b\\\\.c", "x/.*", "(a|b)"]}';
    assert.deepEqual(sources(allow), [['quay.io/team/a', 'quay.io/team/b.c', 'quay.io/x/**'], 1]);
    assert.deepEqual(sources(', repos: {deny: [a]}'), [[], 1]);
  });

  it('names a digest where regsync does', () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const { toml } = translate(`sync:\n  - {source: "alpine@${digest}", type: image}\n`);
    assert.deepEqual(
      blocksOf(toml).map(({ source, digests }) => [source, digests]),
      [['docker.io/library/alpine', [digest]]],
    );
  });

  it('warns of all that a block cannot say, with its line and without secrets', () => {
    const { toml, warnings, leftOut } = translate(`
creds:
  - registry: local:5000
    tls: disabled
    user: joe
    pass: s3cret
scripts: []
defaults:
  backup: "old-{{.Ref.Tag}}"
  ratelimit: {retry: 15m}
sync:
  - {source: ocidir:///x, type: repository}
  - {source: "{{env \\"X\\"}}/a", type: repository}
  - {source: quay.io, type: registry, repos: {deny: [a]}}
  - {source: "a b", type: image}
  - {source: quay.io/x, type: repository, tags: {allow: ["(a"]}}
  - {source: quay.io/x}
  - source: quay.io/y
    type: repository
    fastCheck: true
    hooks: {}
`);
    begin(warnings, [
      '4: local:5000: tls: set insecure = true',
      '5: the credentials for local:5000 are not copied',
      '7: "scripts" is no key of regsync',
      '9: defaults: backup: ',
      '10: ratelimit.retry: ',
      '12: has no block: ocidir:///x: the source is a folder',
      '13: has no block: {{env "X"}}/a: fill in the template',
      '14: has no block: quay.io: repos.deny',
      '15: has no block: "a b" has an invalid repository',
      '16: has no block: quay.io/x: sync.tags.include: "/(a/" is no regular expression of RE2',
      '17: has no block: "quay.io/x" has the type ""',
      '20: quay.io/y: fastCheck: ',
      '21: quay.io/y: hooks: ',
    ]);
    assert.equal(leftOut, 6);
    assert.deepEqual(
      blocksOf(toml).map(({ source }) => source),
      ['quay.io/y'],
    );
    assert.doesNotMatch(warnings.join('\n'), /s3cret/);
  });
});

describe('a file of skopeo sync', () => {
  it('becomes a block for each repository of each selection', () => {
    const digest = `sha256:${'1'.repeat(64)}`;
    const { toml, warnings, leftOut } = translate(`
registry.corp:5000:
  images:
    busybox: []
    redis: ["1.0", 2.10, "${digest}"]
    only: ["${digest}", "a b"]
  images-by-tag-regex:
    nginx: ^1\\.13
  images-by-semver:
    alpine: ">= 3.12.0, < 4"
  credentials: {username: john, password: s3cret}
  cert-dir: /home/john/certs
docker.io:
  tls-verify: false
  images:
    etcd:
    "a:b": []
    "{a,b}": []
`);
    assert.deepEqual(
      blocksOf(toml).map(({ source, tags, referrers }) => [
        source,
        tags.include.join(),
        tags.regex,
        tags.semver,
        referrers,
      ]),
      [
        ['registry.corp:5000/busybox', '', undefined, undefined, 'none'],
        ['registry.corp:5000/redis', '1.0,2.10', undefined, undefined, 'none'],
        ['registry.corp:5000/redis', '', undefined, undefined, 'none'],
        ['registry.corp:5000/only', '', undefined, undefined, 'none'],
        ['registry.corp:5000/nginx', '', '^1\\.13.*', undefined, 'none'],
        ['registry.corp:5000/alpine', '', undefined, '>= 3.12.0 < 4', 'none'],
        ['docker.io/library/etcd', '', undefined, undefined, 'none'],
      ],
    );
    assert.deepEqual(
      blocksOf(toml).flatMap(({ source, digests }) => digests.map((one) => `${source}@${one}`)),
      [`registry.corp:5000/redis@${digest}`, `registry.corp:5000/only@${digest}`],
    );
    begin(warnings, [
      '6: has no block: registry.corp:5000/only: "a b" is neither a tag nor a digest',
      '11: the credentials for registry.corp:5000 are not copied',
      '12: cert-dir of registry.corp:5000: ',
      '14: tls-verify of docker.io: ',
      '17: has no block: "docker.io/a:b" is no repository',
      '18: has no block: "docker.io/{a,b}" has an invalid',
    ]);
    assert.equal(leftOut, 3);
    assert.doesNotMatch(warnings.join('\n'), /s3cret/);
  });

  it('selects the tags in which the regular expression has a match', () => {
    const tags = ['1.13', '1.13-perl', 'x1.13', 'a', 'ab', 'b', 'cb', 'a$', 'A'];
    for (const regex of [
      '^1\\.13$',
      '^1\\.13',
      '13',
      'perl$',
      '^a|b$',
      '^(a|b)$',
      'a\\$',
      'a\\\\$',
      '(?i)^a$',
      '',
    ]) {
      const file = `quay.io:\n  images-by-tag-regex:\n    x: '${regex}'\n`;
      if (regex === '') assert.equal(translate(file).leftOut, 1);
      // The two engines agree on these expressions.
      else if (!regex.startsWith('(?i)')) {
        assert.deepEqual(
          selected(file, tags),
          tags.filter((tag) => new RegExp(regex).test(tag)),
          regex,
        );
      } else assert.deepEqual(selected(file, tags), ['a', 'A']);
    }
  });
});

describe('translateSyncs', () => {
  it('refuses what is of neither tool', () => {
    for (const text of ['', '[]', 'a: b\n', 'sync: {}\n', 'registries: [{urls: [x]}]\n', 'x'.repeat(100)]) {
      assert.throws(() => translateSyncs(text, 'x.yml'), {
        code: 'CONFIG_INVALID',
        message: /no file of a tool that is known/,
      });
    }
  });

  it('takes no name twice, and none that there is already', () => {
    const text = 'quay.io:\n  images: {a: [], a/b: []}\nghcr.io:\n  images: {a: []}\n';
    const { blocks } = translateSyncs(text, 'x.yml', ['a']);
    assert.deepEqual(
      blocks.map(({ name }) => name),
      ['a-2', 'a-b', 'a-3'],
    );
  });

  it('gives blocks that the server reads, for every file that it takes', () => {
    const nasty = fc.oneof(
      fc.string({ maxLength: 30 }),
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom(
        '"',
        '\\',
        '{a,b}',
        '*',
        '**',
        '\u007f',
        '\ud800',
        '3\\.\\d+',
        '(a|b)',
        '1.0',
        'latest',
        '>=1',
        '',
      ),
    );
    const name = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom('alpine', 'team/app') },
      fc.constantFrom('quay.io/team/app:1', 'localhost:5000/x', 'A/b', 'a'.repeat(300)),
      nasty,
    );
    const list = fc.array(nasty, { maxLength: 3 });
    const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
    const entry = fc.record(
      {
        source: name,
        target: name,
        type: fc.constantFrom('image', 'repository', 'registry', 'x'),
        tags: fc.record({ allow: some(list), deny: some(list), semverRange: some(list) }),
        repos: fc.record({ allow: list, deny: list }),
        platforms: fc.oneof(list, fc.constant(['linux/amd64'])),
        platform: nasty,
        interval: fc.oneof(nasty, fc.constantFrom('1h', '99999h', '0s', '1.5m')),
        schedule: fc.oneof(nasty, fc.constantFrom('0 3 * * *', '@daily', 'CRON_TZ=x 0 3 * * *')),
        ratelimit: fc.record({ min: fc.oneof(fc.integer(), fc.double(), nasty), retry: nasty }),
        referrers: fc.oneof(fc.boolean(), nasty),
        hooks: nasty,
      },
      { requiredKeys: [] },
    );
    const regsync = fc.record({
      version: fc.constant(1),
      defaults: entry,
      sync: fc.array(fc.oneof(entry, nasty), { maxLength: 4 }),
    });
    const repositories = <T>(value: fc.Arbitrary<T>) => fc.dictionary(name, value, { maxKeys: 3 });
    const host = fc.record(
      {
        images: repositories(fc.oneof(list, nasty)),
        'images-by-tag-regex': repositories(nasty),
        'images-by-semver': repositories(nasty),
      },
      { requiredKeys: ['images'] },
    );
    const skopeo = fc.dictionary(fc.oneof(fc.constantFrom('quay.io', 'localhost:5000'), nasty), host, {
      minKeys: 1,
      maxKeys: 3,
    });
    let blocks = 0;
    fc.assert(
      fc.property(fc.oneof(regsync, skopeo), (file) => {
        const { toml, warnings } = translate(JSON.stringify(file));
        blocks += blocksOf(toml).length;
        assert.doesNotMatch(warnings.join(''), /[^\x20-\x7e]/);
      }),
      { numRuns: 200 },
    );
    assert.ok(blocks > 50, `${blocks} blocks`);
  });
});
