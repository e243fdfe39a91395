import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  formatReference,
  isDomain,
  maxNameLength,
  parseReference,
  parseRepository,
  parseTag,
  referenceName,
} from '../../../src/oci/reference.ts';

const hex = 'a'.repeat(64);
const digest = `sha256:${hex}`;

function normalised(text: string): string {
  const parsed = parseReference(text);
  return parsed.ok ? formatReference(parsed.value) : `refused: it ${parsed.problem}`;
}

describe('parseReference normalises', () => {
  const cases: readonly (readonly [written: string, meant: string])[] = [
    ['alpine', 'docker.io/library/alpine'],
    ['alpine:3', 'docker.io/library/alpine:3'],
    ['team/app', 'docker.io/team/app'],
    ['docker.io/alpine', 'docker.io/library/alpine'],
    ['docker.io/library/alpine', 'docker.io/library/alpine'],
    ['index.docker.io/alpine:3', 'docker.io/library/alpine:3'],
    ['registry-1.docker.io/library/alpine', 'registry-1.docker.io/library/alpine'],
    ['localhost/app', 'localhost/app'],
    ['localhost:5000/app', 'localhost:5000/app'],
    ['localhost:5000', 'docker.io/library/localhost:5000'],
    ['quay.io/a/b/c:tag', 'quay.io/a/b/c:tag'],
    ['Quay.IO/a', 'Quay.IO/a'],
    [`quay.io/a:1@${digest}`, `quay.io/a:1@${digest}`],
    [`a@${digest}`, `docker.io/library/a@${digest}`],
    [`${hex}:1`, `docker.io/library/${hex}:1`],
    ['foo_bar/baz', 'docker.io/foo_bar/baz'],
    ['my_host.corp/app', 'my_host.corp/app'],
    ['10.0.0.1:5000/app', '10.0.0.1:5000/app'],
    ['quay.io/a--b__c.d_e', 'quay.io/a--b__c.d_e'],
  ];
  for (const [written, meant] of cases) {
    it(`${written.slice(0, 40)} to ${meant.slice(0, 40)}`, () => assert.equal(normalised(written), meant));
  }
});

describe('parseReference refuses', () => {
  const cases: readonly (readonly [text: string, problem: RegExp])[] = [
    ['', /is empty/],
    [hex, /bare 64-character hex/],
    ['quay.io/', /names no repository/],
    ['quay.io/Upper', /upper-case letters in its repository "Upper"/],
    ['LOCALHOST/app', /upper-case/],
    ['Team/app', /upper-case/],
    ['quay.io//app', /invalid repository/],
    ['quay.io/app/', /invalid repository/],
    ['quay.io/a___b', /invalid repository/],
    ['quay.io/a..b', /invalid repository/],
    ['quay.io/../../etc/passwd', /invalid repository/],
    ['quay.io/-a', /invalid repository/],
    ['quay.io/a b', /invalid repository/],
    ['quay.io/a\n', /invalid repository/],
    ['quay.io/a\u0000', /invalid repository/],
    ['quay.io/é', /invalid repository/],
    ['quay.io/a?ns=x', /invalid repository/],
    ['quay.io/a%2fb', /invalid repository/],
    ['-quay.io/a', /invalid registry/],
    ['quay..io/a', /invalid registry/],
    ['quay.io:/a', /invalid registry/],
    ['quay.io:x/a', /invalid registry/],
    ['my_host:5000/a', /invalid registry/],
    ['[::1]:5000/a', /invalid registry/],
    ['user@quay.io/a', /invalid digest/],
    ['https://quay.io/a', /invalid registry/],
    ['quay.io/a:', /invalid tag ""/],
    ['quay.io/a:-1', /invalid tag/],
    ['quay.io/a:1:2', /invalid tag/],
    [`quay.io/a:${'t'.repeat(129)}`, /invalid tag/],
    ['quay.io/a@', /invalid digest/],
    [`quay.io/a@${digest}0`, /invalid digest/],
    [`quay.io/a@${digest.toUpperCase()}`, /invalid digest/],
    [`quay.io/a@md5:${'a'.repeat(32)}`, /invalid digest/],
    [`quay.io/a@${digest}@${digest}`, /invalid digest/],
  ];
  for (const [text, problem] of cases) {
    it(JSON.stringify(text.slice(0, 50)), () => assert.match(normalised(text), problem));
  }

  it('names of more than 255 characters, counted without tag and digest', () => {
    const longest = `quay.io/${'p'.repeat(maxNameLength - 'quay.io/'.length)}`;
    assert.equal(normalised(`${longest}:1@${digest}`), `${longest}:1@${digest}`);
    assert.match(normalised(`${longest}p`), /longer than 255/);
    assert.match(normalised('p'.repeat(1000)), /^refused/);
  });
});

describe('the grammar', () => {
  const alphanumeric = fc.stringMatching(/^[a-z0-9]{1,8}$/);
  const separator = fc.constantFrom('.', '_', '__', '-', '---');
  const component = fc
    .array(fc.tuple(separator, alphanumeric), { maxLength: 2 })
    .chain((rest) => alphanumeric.map((first) => first + rest.flat().join('')));
  const repository = fc.array(component, { minLength: 2, maxLength: 4 }).map((parts) => parts.join('/'));
  const label = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9-]{0,6}[A-Za-z0-9])?$/);
  const port = fc.option(fc.nat(65535)).map((number) => (number === null ? '' : `:${number}`));
  const domain = fc
    .tuple(fc.array(label, { minLength: 2, maxLength: 4 }), port)
    .map(([labels, number]) => labels.join('.') + number)
    .filter((text) => text !== 'index.docker.io');
  const tag = fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/));
  const digests = fc.option(fc.stringMatching(/^sha256:[a-f0-9]{64}$/));

  it('reads back what it writes', () => {
    fc.assert(
      fc.property(domain, repository, tag, digests, (host, path, tagText, digestText) => {
        const text = `${host}/${path}${tagText ? `:${tagText}` : ''}${digestText ? `@${digestText}` : ''}`;
        const parsed = parseReference(text);
        assert.ok(parsed.ok, parsed.ok ? '' : `${text} ${parsed.problem}`);
        assert.equal(formatReference(parsed.value), text);
        assert.equal(referenceName(parsed.value), `${host}/${path}`);
        assert.equal(parsed.value.tag, tagText ?? undefined);
        assert.equal(parsed.value.digest, digestText ?? undefined);
      }),
    );
  });

  it('normalises once and for all, whatever the text', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({
        unit: fc.constantFrom('a', 'B', '.', '/', ':', '@', '-', '_', '0', 'docker.io', 'localhost', digest),
      }),
    );
    fc.assert(
      fc.property(text, (written) => {
        const first = parseReference(written);
        if (!first.ok) return;
        const second = parseReference(formatReference(first.value));
        assert.deepEqual(second, first);
        assert.ok(referenceName(first.value).length <= maxNameLength);
        const { registry, repository } = first.value;
        assert.ok(!/[\s%?#\\]/.test(formatReference(first.value)));
        assert.ok(!`${registry}/${repository}`.includes('..'));
      }),
      { numRuns: 3000 },
    );
  });

  it('knows hosts', () => {
    for (const text of ['a', 'a.b', 'a.b:1', 'A-b.c', '1.2.3.4:80', 'xn--n3h.com'])
      assert.ok(isDomain(text), text);
    for (const text of [
      '',
      'a.',
      '.a',
      'a..b',
      '-a',
      'a-',
      'a_b',
      'a:',
      'a:b',
      '[::1]',
      'a/b',
      'a b',
      'é.com',
    ]) {
      assert.ok(!isDomain(text), text);
    }
  });

  it('knows repositories and tags', () => {
    assert.equal(parseRepository('library/alpine'), 'library/alpine');
    for (const text of ['', '/', 'a/', '/a', 'A', 'a//b', '..', 'a/../b', 'p'.repeat(256)]) {
      assert.equal(parseRepository(text), undefined, text);
    }
    assert.equal(parseTag('_v1.0-rc.1'), '_v1.0-rc.1');
    assert.equal(parseTag('t'.repeat(128)), 't'.repeat(128));
    for (const text of ['', '.a', '-a', 'a/b', 'a:b', 't'.repeat(129)])
      assert.equal(parseTag(text), undefined, text);
  });

  it('takes linear time for hostile text', () => {
    // In quadratic time each of these would take an hour.
    for (const text of [
      `${'a-'.repeat(2_000_000)}/`,
      `${'a.'.repeat(2_000_000)}!/x`,
      'a'.repeat(5_000_000),
      `x/${'a__'.repeat(2_000_000)}`,
    ]) {
      assert.ok(!parseReference(text).ok);
    }
  });
});
