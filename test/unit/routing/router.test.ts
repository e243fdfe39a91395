import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createRouter, type Routed } from '../../../src/routing/router.ts';
import { listing, routingWith } from './configuration.ts';

const router = createRouter(listing('docker.io', 'quay.io'), routingWith());
const hex = 'a'.repeat(64);
const digest = `sha256:${hex}`;

function ask(rawPath: string, rawQuery = 'ns=quay.io'): Routed {
  return router.route({ rawPath, rawQuery, host: undefined });
}

function reason(routed: Routed): string {
  return routed.ok ? `ok: ${JSON.stringify(routed.target)}` : routed.refusal.reason;
}

describe('targets', () => {
  it('reads a manifest by tag and by digest', () => {
    const byTag = ask('/v2/a/b/manifests/v1.0');
    assert.ok(byTag.ok && byTag.target.kind === 'manifest');
    assert.deepEqual(byTag.target.reference, { registry: 'quay.io', repository: 'a/b', tag: 'v1.0' });
    const byDigest = ask(`/v2/a/b/manifests/${digest}`);
    assert.ok(byDigest.ok && byDigest.target.kind === 'manifest');
    assert.deepEqual(byDigest.target.reference, { registry: 'quay.io', repository: 'a/b', digest });
  });

  it('reads a blob, a tag list and referrers', () => {
    const blob = ask(`/v2/a/blobs/${digest}`);
    assert.ok(blob.ok && blob.target.kind === 'blob' && blob.target.digest === digest);
    const tags = ask('/v2/a/tags/list', 'n=5&last=v2&ns=quay.io');
    assert.ok(tags.ok && tags.target.kind === 'tags');
    assert.equal(tags.target.limit, 5);
    assert.equal(tags.target.after, 'v2');
    const referrers = ask(`/v2/a/referrers/${digest}`, 'ns=quay.io&artifactType=application/spdx+json');
    assert.ok(referrers.ok && referrers.target.kind === 'referrers');
    assert.equal(referrers.target.subject, digest);
    assert.equal(referrers.target.artifactType, 'application/spdx+json');
  });

  it('reads a percent-encoded digest, as some clients send it', () => {
    const blob = ask(`/v2/a/blobs/sha256%3A${hex}`);
    assert.ok(blob.ok && blob.target.kind === 'blob' && blob.target.digest === digest);
  });

  it('finds the keyword from the end, so names may hold keywords', () => {
    const cases = {
      'a/manifests/b': 'manifests/1',
      'manifests/manifests': 'manifests/1',
      blobs: 'tags/list',
      'tags/list': 'tags/list',
    };
    for (const [name, rest] of Object.entries(cases)) {
      const routed = ask(`/v2/${name}/${rest}`);
      assert.equal(routed.ok && routed.target.image.repository, name);
    }
    const list = ask('/v2/a/manifests/list');
    assert.ok(list.ok && list.target.kind === 'manifest' && list.target.reference.tag === 'list');
  });

  it('drops a filter that is no media type', () => {
    const referrers = ask(`/v2/a/referrers/${digest}`, 'ns=quay.io&artifactType=a%0d%0ab');
    assert.ok(referrers.ok && referrers.target.kind === 'referrers');
    assert.equal(referrers.target.artifactType, undefined);
  });

  it('ignores parameters that it does not know, and takes n=0', () => {
    const tags = ask('/v2/a/tags/list', 'x=%zz&n=0&&=&ns=quay.io');
    assert.ok(tags.ok && tags.target.kind === 'tags');
    assert.equal(tags.target.limit, 0);
    assert.equal(tags.target.after, undefined);
  });

  it('takes any number of 64 bits for as many tags as there may be on a page', () => {
    for (const n of ['10001', '2147483647', '9223372036854775807']) {
      const tags = ask('/v2/a/tags/list', `n=${n}&ns=quay.io`);
      assert.ok(tags.ok && tags.target.kind === 'tags', n);
      assert.equal(tags.target.limit, 10_000);
    }
  });
});

describe('hostile requests', () => {
  it('refuses names outside the grammar, after decoding once', () => {
    for (const name of [
      '..',
      '../../etc/passwd',
      '..%2f..%2fetc',
      '%2e%2e/%2e%2e',
      'a//b',
      '',
      '/a',
      'a%2F%2Fb',
      'a%00b',
      'a%0d%0ab',
      '%252e%252e',
      'a%252fb',
      'UPPER/case',
      'a/B',
      'a..b',
      '_a',
      'a-',
      'a b',
      'a%20b',
      'ü',
      '%C3%BC',
      '%ff',
      '%',
      '%2',
      'a'.repeat(256),
      `${'a/'.repeat(200)}a`,
      'a'.repeat(10_240),
      '*',
      'a:b',
      'a@b',
      '$\u007bjndi}',
    ]) {
      const routed = ask(`/v2/${name}/manifests/latest`);
      assert.equal(reason(routed), 'name', name);
    }
  });

  it('takes an encoded slash for a slash inside the name, and never for the end of it', () => {
    const routed = ask('/v2/library%2Falpine/manifests/1', '');
    assert.equal(routed.ok && routed.target.image.name, 'docker.io/library/alpine');
    assert.equal(reason(ask('/v2/a%2Fmanifests%2F1')), 'path');
    assert.equal(reason(ask('/v2/a/manifests%2F1')), 'path');
    assert.equal(reason(ask('/v2/a/manifests/b%2Fc')), 'tag');
  });

  it('refuses tags outside the grammar', () => {
    for (const tag of ['.a', '-a', 'a'.repeat(129), 'a%00', '..', '%2e%2e', 'ü', 'a%20b', 'a%252f', '%']) {
      assert.equal(reason(ask(`/v2/a/manifests/${tag}`)), 'tag', tag);
    }
  });

  it('refuses digests outside the grammar', () => {
    for (const text of [
      'sha256:',
      `sha256:${'a'.repeat(63)}`,
      `sha256:${'a'.repeat(65)}`,
      `sha256:${'A'.repeat(64)}`,
      `sha256:${'g'.repeat(64)}`,
      `md5:${'a'.repeat(32)}`,
      `sha256:..%2f..%2f${'a'.repeat(54)}`,
      `sha256:${hex}%00`,
      hex,
      'latest',
    ]) {
      assert.equal(reason(ask(`/v2/a/blobs/${text}`)), 'digest', text);
      assert.equal(reason(ask(`/v2/a/referrers/${text}`)), 'digest', text);
    }
    assert.equal(reason(ask('/v2/a/manifests/sha256:abc')), 'digest');
  });

  it('knows no other path', () => {
    for (const path of [
      '/v2/_catalog',
      '/v2/manifests/1',
      '/v2/a/manifests/',
      '/v2/a/manifests/1/',
      '/v2/a/tags/lists',
      '/v2/a/tags/',
      '/v2/a/blobs/uploads/',
      '/v2/a/unknown/1',
      '/v1/a/manifests/1',
      '/v2',
      '/v2/',
      '/',
      '',
      '*',
      'http://evil.example/v2/a/manifests/1',
    ]) {
      assert.equal(reason(ask(path)), 'path', path);
    }
  });

  it('refuses pages that are no numbers, and overlong cursors', () => {
    for (const query of [
      'n=-1',
      'n=x',
      'n=1e3',
      'n=',
      `n=${'9'.repeat(20)}`,
      'n=1&n=2',
      `last=${'a'.repeat(257)}`,
    ]) {
      assert.equal(reason(ask('/v2/a/tags/list', query)), 'pagination', query);
    }
  });

  it('cuts what it repeats', () => {
    const routed = ask(`/v2/${'A'.repeat(500)}/manifests/1`);
    assert.ok(!routed.ok);
    assert.ok(routed.refusal.message.length < 250);
  });

  it('gives, for any path, either a checked target or a refusal, and never throws', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'manifests',
        'blobs',
        'tags',
        'list',
        'referrers',
        '..',
        '.',
        '',
        '%2f',
        '%2e',
        '%00',
        'quay.io',
        digest,
      ),
      fc.string({ maxLength: 12 }),
      fc.stringMatching(/^[a-z0-9%./:-]{0,20}$/),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), fc.string({ maxLength: 30 }), (pieces, query) => {
        const routed = ask(`/v2/${pieces.join('/')}`, query);
        if (!routed.ok) return;
        assert.match(routed.target.image.name, /^(docker\.io|quay\.io)\/[a-z0-9][a-z0-9._/-]*$/);
        assert.ok(!routed.target.image.name.includes('..'));
        assert.ok(routed.target.image.name.length <= 255);
      }),
      { numRuns: 2000 },
    );
  });
});
