/** What OpenShift's operator makes of objects and of a registries.conf: each row is its result. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EntrepotError } from '../../../../src/errors.ts';
import type { ShortObjects } from '../../../support/cluster-objects.ts';
import { render } from '../../../support/rendered-policies.ts';

interface Row extends ShortObjects {
  readonly name: string;
  /** registries.conf. */
  readonly conf?: string;
  readonly gives: readonly string[] | RegExp;
}

function run(rows: readonly Row[]): void {
  for (const { name, gives, ...row } of rows) {
    it(name, (t) => {
      if (Array.isArray(gives)) assert.deepEqual(render(t, row), gives);
      else {
        assert.throws(
          () => render(t, row),
          (error) => {
            assert.ok(error instanceof EntrepotError, String(error));
            assert.equal(error.code, 'CONFIG_INVALID');
            assert.match(error.message, gives as RegExp);
            assert.ok(error.file === 'o.yaml' && (error.line ?? 0) >= 1);
            return true;
          },
        );
      }
    });
  }
}

const registry = (location: string, ...more: readonly string[]) =>
  ['[[registry]]', `location = "${location}"`, ...more, ''].join('\n');
const mirror = (location: string, ...more: readonly string[]) =>
  ['[[registry.mirror]]', `location = "${location}"`, ...more].join('\n');

describe('mirrors of one source', () => {
  run([
    { name: 'nothing gives nothing', gives: [] },
    { name: 'for digests', digest: ['a.io/x <- m.io/x'], gives: ['a.io/x: m.io/x digest'] },
    {
      name: 'of an ImageContentSourcePolicy are for digests, too',
      old: ['a.io/x <- m.io/x'],
      gives: ['a.io/x: m.io/x digest'],
    },
    { name: 'for tags', tag: ['a.io/x <- m.io/x'], gives: ['a.io/x: m.io/x tag'] },
    {
      name: 'those for digests come before those for tags',
      digest: ['a.io <- z1.io z2.io'],
      tag: ['a.io <- b1.io b2.io'],
      gives: ['a.io: z1.io digest, z2.io digest, b1.io tag, b2.io tag'],
    },
    {
      name: 'the same mirror may be for digests and for tags',
      digest: ['a.io <- m.io'],
      tag: ['a.io <- m.io'],
      gives: ['a.io: m.io digest, m.io tag'],
    },
    {
      name: 'keep the order of their list',
      digest: ['a.io <- z.io y.io x.io'],
      gives: ['a.io: z.io digest, y.io digest, x.io digest'],
    },
    {
      name: 'of lists with one mirror each are sorted',
      digest: ['a.io <- z.io', 'a.io <- y.io', 'a.io <- x.io'],
      gives: ['a.io: x.io digest, y.io digest, z.io digest'],
    },
    {
      name: 'of lists that share one keep the order of both',
      digest: ['a.io <- z1.io y2.io', 'a.io <- y2.io x3.io'],
      gives: ['a.io: z1.io digest, y2.io digest, x3.io digest'],
    },
    {
      name: 'of the older and the newer kind are one order',
      digest: ['a.io <- y2.io x3.io'],
      old: ['a.io <- z1.io y2.io'],
      gives: ['a.io: z1.io digest, y2.io digest, x3.io digest'],
    },
    {
      name: 'of the older kind add to those of the newer',
      digest: ['a.io <- d1.io d2.io'],
      old: ['a.io <- d1.io d2.io i1.io'],
      gives: ['a.io: d1.io digest, d2.io digest, i1.io digest'],
    },
    {
      name: 'for digests and for tags are two orders',
      digest: ['a.io <- x.io y.io'],
      tag: ['a.io <- y.io x.io'],
      gives: ['a.io: x.io digest, y.io digest, y.io tag, x.io tag'],
    },
    {
      name: 'that are freed together are sorted, after those that waited before',
      digest: ['a.io <- b.io z.io', 'a.io <- c.io y.io', 'a.io <- b.io x.io'],
      gives: ['a.io: b.io digest, c.io digest, x.io digest, z.io digest, y.io digest'],
    },
    {
      name: 'in contradicting orders: the smallest name breaks the loop',
      digest: ['source.io <- r1.io r2.io', 'source.io <- local.io r2.io r1.io'],
      gives: ['source.io: local.io digest, r1.io digest, r2.io digest'],
    },
    {
      name: 'in a loop without a beginning, of a source with a smaller name: the source is asked first',
      digest: ['a.io <- x.io y.io', 'a.io <- y.io x.io'],
      gives: ['a.io: a.io digest, x.io digest, y.io digest'],
    },
    {
      name: 'in a loop without a beginning, of a source with a larger name: the source is asked last',
      digest: ['z.io <- x.io y.io', 'z.io <- y.io x.io'],
      gives: ['z.io: x.io digest, y.io digest'],
    },
    {
      name: 'in a loop with a way in and a way out',
      digest: ['z.io <- a.io b.io c.io d.io', 'z.io <- d.io b.io', 'z.io <- d.io e.io'],
      gives: ['z.io: a.io digest, b.io digest, c.io digest, d.io digest, e.io digest'],
    },
    {
      name: 'twice in a row, which the older kind allows, are a loop of one',
      old: ['a.io <- m.io m.io'],
      gives: ['a.io: a.io digest, m.io digest'],
    },
    {
      name: 'twice in a row, of a source with a larger name',
      old: ['z.io <- m.io m.io'],
      gives: ['z.io: m.io digest'],
    },
    { name: 'none', digest: ['a.io <- '], gives: [] },
    {
      name: 'of a whole host with a port',
      digest: ['a.io:5000 <- m.io:5001/x'],
      gives: ['a.io:5000: m.io:5001/x digest'],
    },
    {
      name: 'of a host with one label',
      digest: ['registry/x <- mirror:5000'],
      gives: ['registry/x: mirror:5000 digest'],
    },
    {
      name: 'sources are independent',
      digest: ['b.io <- m.io', 'a.io <- n.io'],
      gives: ['a.io: n.io digest', 'b.io: m.io digest'],
    },
  ]);
});

describe('a source among its mirrors', () => {
  run([
    {
      name: 'in the middle stays there',
      digest: ['a.io <- z.io a.io y.io'],
      gives: ['a.io: z.io digest, a.io digest, y.io digest'],
    },
    { name: 'at the end is left out', digest: ['a.io <- z.io a.io'], gives: ['a.io: z.io digest'] },
    {
      name: 'at the beginning stays there',
      digest: ['a.io <- a.io z.io'],
      gives: ['a.io: a.io digest, z.io digest'],
    },
    {
      name: 'in two lists',
      digest: ['a.io <- z1.io a.io y2.io', 'a.io <- a.io y2.io x3.io'],
      gives: ['a.io: z1.io digest, a.io digest, y2.io digest, x3.io digest'],
    },
    {
      name: 'in the middle of one list and behind another',
      digest: ['a.io <- z.io a.io y.io', 'a.io <- q.io'],
      gives: ['a.io: q.io digest, z.io digest, a.io digest, y.io digest'],
    },
    { name: 'as the only one gives nothing', digest: ['a.io <- a.io'], gives: [] },
    { name: 'as the only one, several times', old: ['a.io <- a.io a.io a.io'], gives: [] },
    {
      name: 'as the only one of a list does not count for the others',
      digest: ['a.io <- a.io', 'a.io <- m.io'],
      gives: ['a.io: m.io digest'],
    },
    {
      name: 'in the middle of the mirrors for tags',
      tag: ['a.io <- z.io a.io y.io'],
      gives: ['a.io: z.io tag, a.io tag, y.io tag'],
    },
  ]);
});

describe('NeverContactSource', () => {
  run([
    { name: 'blocks the source', digest: ['a.io <- m.io never'], gives: ['a.io blocked: m.io digest'] },
    { name: 'blocks it for tags, too', tag: ['a.io <- m.io never'], gives: ['a.io blocked: m.io tag'] },
    { name: 'AllowContactingSource does not', digest: ['a.io <- m.io allow'], gives: ['a.io: m.io digest'] },
    {
      name: 'of two kinds',
      digest: ['a.io <- m1.io never'],
      tag: ['a.io <- m2.io never'],
      gives: ['a.io blocked: m1.io digest, m2.io tag'],
    },
    { name: 'of a list without mirrors has no effect', digest: ['a.io <- never'], gives: [] },
    {
      name: 'of a list without mirrors beside a list with mirrors that says the same',
      digest: ['a.io <- never', 'a.io <- m.io never'],
      gives: ['a.io blocked: m.io digest'],
    },
    {
      name: 'in the middle of a host: the rest is not blocked',
      digest: ['a.io/x <- m.io never', 'a.io <- n.io'],
      gives: ['a.io: n.io digest', 'a.io/x blocked: m.io digest'],
    },
    {
      name: 'is not copied to nested entries',
      digest: ['a.io <- m.io never'],
      conf: registry('a.io/x'),
      gives: ['a.io blocked: m.io digest', 'a.io/x: m.io/x digest'],
    },
    { name: 'of a wildcard', digest: ['*.a.io <- m.io never'], gives: ['*.a.io blocked: m.io digest'] },
    {
      name: 'conflicts with a list that says nothing',
      digest: ['a.io <- m.io never', 'a.io <- n.io'],
      gives: /conflicting mirrorSourcePolicy for the source "a.io"/,
    },
    {
      name: 'conflicts with AllowContactingSource',
      digest: ['a.io <- m.io never', 'a.io <- n.io allow'],
      gives: /conflicting mirrorSourcePolicy/,
    },
    {
      name: 'conflicts with every ImageContentSourcePolicy',
      digest: ['a.io <- m.io never'],
      old: ['a.io <- m.io'],
      gives: /conflicting mirrorSourcePolicy/,
    },
    {
      name: 'conflicts across digests and tags',
      digest: ['a.io <- m.io never'],
      tag: ['a.io <- m.io'],
      gives: /conflicting mirrorSourcePolicy/,
    },
    {
      name: 'conflicts with a list that has no effect',
      digest: ['a.io <- m.io never', 'a.io <- a.io'],
      gives: /conflicting mirrorSourcePolicy/,
    },
    {
      name: 'conflicts with a list without mirrors',
      digest: ['a.io <- m.io never', 'a.io <- '],
      gives: /conflicting mirrorSourcePolicy/,
    },
    {
      name: 'agrees with itself',
      digest: ['a.io <- m.io never', 'a.io <- n.io never'],
      gives: ['a.io blocked: m.io digest, n.io digest'],
    },
    {
      name: 'an absent one is AllowContactingSource',
      digest: ['a.io <- m.io allow', 'a.io <- n.io'],
      gives: ['a.io: m.io digest, n.io digest'],
    },
    {
      name: 'with the source as a mirror is wrong',
      digest: ['a.io <- m.io a.io never'],
      gives: /the source "a.io" is one of its mirrors/,
    },
    {
      name: 'with the source as the only mirror is wrong',
      tag: ['a.io <- a.io never'],
      gives: /the source "a.io" is one of its mirrors/,
    },
    {
      name: 'with another spelling of the source is not the source',
      digest: ['a.io <- A.io never'],
      gives: ['a.io blocked: A.io digest'],
    },
  ]);
});

describe('insecure and blocked registries', () => {
  run([
    {
      name: 'get entries of their own',
      insecure: ['b.io'],
      blocked: ['a.io'],
      gives: ['a.io blocked', 'b.io insecure'],
    },
    {
      name: 'may be the same',
      insecure: ['a.io', 'c.io'],
      blocked: ['b.io', 'c.io'],
      gives: ['a.io insecure', 'b.io blocked', 'c.io insecure blocked'],
    },
    {
      name: 'may be wildcards',
      insecure: ['*.b.io'],
      blocked: ['*.a.io'],
      gives: ['*.a.io blocked', '*.b.io insecure'],
    },
    {
      name: 'insecure: a mirror in it',
      digest: ['a.io <- m.io/x'],
      insecure: ['m.io'],
      gives: ['a.io: m.io/x digest insecure', 'm.io insecure'],
    },
    {
      name: 'insecure: the mirror itself',
      digest: ['a.io <- m.io/x'],
      insecure: ['m.io/x'],
      gives: ['a.io: m.io/x digest insecure', 'm.io/x insecure'],
    },
    {
      name: 'insecure: not a mirror above it',
      digest: ['a.io <- m.io'],
      insecure: ['m.io/x'],
      gives: ['a.io: m.io digest', 'm.io/x insecure'],
    },
    {
      name: 'insecure: not a mirror of a longer name',
      digest: ['a.io <- m.io2/x m.io/xy'],
      insecure: ['m.io/x'],
      gives: ['a.io: m.io2/x digest, m.io/xy digest', 'm.io/x insecure'],
    },
    {
      name: 'insecure: not a mirror on another port',
      digest: ['a.io <- m.io:443/x'],
      insecure: ['m.io'],
      gives: ['a.io: m.io:443/x digest', 'm.io insecure'],
    },
    {
      name: 'insecure: a mirror on its port',
      digest: ['a.io <- m.io:443/x'],
      insecure: ['m.io:443'],
      gives: ['a.io: m.io:443/x digest insecure', 'm.io:443 insecure'],
    },
    {
      name: 'insecure: a mirror of a wildcard, on any port',
      digest: ['a.io <- n.m.io/x n.m.io:5/x m.io/x'],
      insecure: ['*.m.io'],
      gives: ['*.m.io insecure', 'a.io: n.m.io/x digest insecure, n.m.io:5/x digest insecure, m.io/x digest'],
    },
    {
      name: 'insecure: not a path that ends like the wildcard',
      digest: ['a.io <- n.io/b.m'],
      insecure: ['*.m'],
      gives: ['*.m insecure', 'a.io: n.io/b.m digest'],
    },
    {
      name: 'insecure: mirrors for tags',
      tag: ['a.io <- m.io'],
      insecure: ['m.io'],
      gives: ['a.io: m.io tag insecure', 'm.io insecure'],
    },
    {
      name: 'insecure: the source',
      digest: ['a.io/x <- m.io'],
      insecure: ['a.io'],
      gives: ['a.io insecure', 'a.io/x insecure: m.io digest'],
    },
    {
      name: 'insecure: mirrors of registries.conf',
      conf: registry('a.io', mirror('m.io')),
      insecure: ['m.io'],
      gives: ['a.io: m.io insecure', 'm.io insecure'],
    },
    {
      name: 'insecure: entries of registries.conf, false or not',
      conf: registry('a.io/x', 'insecure = false'),
      insecure: ['a.io'],
      gives: ['a.io insecure', 'a.io/x insecure'],
    },
    {
      name: 'insecure: a location elsewhere does not count, its prefix does',
      conf: registry('l.io', 'prefix = "a.io/x"'),
      insecure: ['a.io', 'n.io'],
      gives: ['a.io insecure', 'a.io/x (l.io) insecure', 'n.io insecure'],
    },
    {
      name: 'insecure: an entry of registries.conf is found by its prefix, not by its location',
      conf: registry('l.io', 'prefix = "a.io"'),
      insecure: ['a.io'],
      gives: ['a.io (l.io) insecure'],
    },
    {
      name: 'blocked: entries in it',
      digest: ['a.io/x <- m.io'],
      blocked: ['a.io'],
      gives: ['a.io blocked', 'a.io/x blocked: m.io digest'],
    },
    {
      name: 'blocked: not its mirrors',
      digest: ['a.io <- m.io/x n.io'],
      blocked: ['m.io'],
      gives: ['a.io: m.io/x digest, n.io digest', 'm.io blocked'],
    },
    {
      name: 'blocked: not an entry on another port',
      conf: registry('a.io:5000'),
      blocked: ['a.io'],
      gives: ['a.io blocked', 'a.io:5000'],
    },
    {
      name: 'blocked: an entry of a wildcard on any port',
      conf: registry('b.a.io:5000/x'),
      blocked: ['*.a.io'],
      gives: ['*.a.io blocked', 'b.a.io:5000/x blocked'],
    },
    {
      name: 'blocked: a wildcard in a wildcard',
      insecure: ['*.b.a.io'],
      blocked: ['*.a.io'],
      gives: ['*.a.io blocked', '*.b.a.io insecure blocked'],
    },
    {
      name: 'blocked in insecure: both',
      insecure: ['*.a.io'],
      blocked: ['*.b.a.io'],
      gives: ['*.a.io insecure', '*.b.a.io insecure blocked'],
    },
    {
      name: 'blocked: a prefix with a tag is no part of a wildcard',
      conf: registry('b.a.io/x', 'prefix = "b.a.io/x:1"'),
      blocked: ['*.a.io'],
      gives: ['*.a.io blocked', 'b.a.io/x:1 (b.a.io/x)'],
    },
    {
      name: 'allowed: nothing happens to registries.conf',
      conf: registry('a.io'),
      allowed: ['b.io', '*.c.io'],
      gives: ['a.io'],
    },
    { name: 'lose the slash at their end when all is done', insecure: ['a.io/'], gives: ['a.io insecure'] },
    { name: 'empty', insecure: [''], gives: /"" in insecureRegistries has not the right form/ },
    { name: 'empty and blocked', blocked: [''], gives: /"" in blockedRegistries/ },
    { name: 'empty and allowed', allowed: [''], gives: /"" in allowedRegistries/ },
    ...[
      '**.a.io',
      'a.*.io',
      '*.a.io/x',
      '*.a.io:5',
      '*.a.io@x',
      '*.a.*.io',
      '*a.io',
      '*/a.io',
      '*.*a.io',
      '*',
    ].map((scope) => ({
      name: `a wildcard has one form, and ${scope} has another`,
      blocked: [scope],
      gives: /in blockedRegistries has not the right form/,
    })),
    {
      name: 'a scheme is refused as in registries.conf',
      insecure: ['http://a.io'],
      gives: /^Image "cluster": "http:\/\/a\.io" has a URI scheme/,
    },
    { name: 'nothing but a slash', blocked: ['/'], gives: /"\/" names no registry/ },
    {
      name: 'twice, once with a slash, contradict each other if there are mirrors',
      digest: ['a.io <- m.io'],
      blocked: ['a.io/'],
      gives: /have the same location "a.io", and only one of them is blocked/,
    },
  ]);
});

describe('entries nested in a source', () => {
  run([
    {
      name: 'get copies of its mirrors with the rest of the path',
      digest: ['a.io/top <- m.io/p'],
      blocked: ['a.io/top/x'],
      gives: ['a.io/top: m.io/p digest', 'a.io/top/x blocked: m.io/p/x digest'],
    },
    {
      name: 'get none if they have mirrors',
      digest: ['a.io/top <- m.io/p', 'a.io/top/i/more <- m.io/more'],
      tag: ['a.io/top <- t.io/p', 'a.io/top/i/more <- t.io/more'],
      insecure: ['a.io/top/i'],
      blocked: ['a.io/top/b'],
      gives: [
        'a.io/top: m.io/p digest, t.io/p tag',
        'a.io/top/b blocked: m.io/p/b digest, t.io/p/b tag',
        'a.io/top/i insecure: m.io/p/i digest, t.io/p/i tag',
        'a.io/top/i/more insecure: m.io/more digest, t.io/more tag',
      ],
    },
    {
      name: 'with a mirror for tags get no mirror for digests',
      digest: ['a.io <- m.io'],
      tag: ['a.io/x <- t.io'],
      gives: ['a.io: m.io digest', 'a.io/x: t.io tag'],
    },
    {
      name: 'of two sources get those of the first in order, which is the shorter',
      digest: ['a.io <- m.io', 'a.io/x <- n.io'],
      blocked: ['a.io/x/y'],
      gives: ['a.io: m.io digest', 'a.io/x: n.io digest', 'a.io/x/y blocked: m.io/x/y digest'],
    },
    {
      name: 'of two sources, digests before tags',
      digest: ['a.io/x <- n.io'],
      tag: ['a.io <- m.io'],
      blocked: ['a.io/x/y'],
      gives: ['a.io: m.io tag', 'a.io/x: n.io digest', 'a.io/x/y blocked: n.io/y digest'],
    },
    {
      name: 'copy the flags of mirrors',
      digest: ['a.io <- m.io'],
      insecure: ['m.io'],
      blocked: ['a.io/x'],
      gives: ['a.io: m.io digest insecure', 'a.io/x blocked: m.io/x digest insecure', 'm.io insecure'],
    },
    {
      name: 'copy a flag that the longer location would not have',
      digest: ['a.io <- m.io'],
      insecure: ['m.io/x'],
      blocked: ['a.io/x'],
      gives: ['a.io: m.io digest', 'a.io/x blocked: m.io/x digest', 'm.io/x insecure'],
    },
    {
      name: 'of registries.conf get copies, too',
      conf: registry('a.io/x'),
      digest: ['a.io <- m.io'],
      gives: ['a.io: m.io digest', 'a.io/x: m.io/x digest'],
    },
    {
      name: 'of registries.conf with mirrors get none',
      conf: registry('a.io/x', mirror('k.io')),
      digest: ['a.io <- m.io'],
      gives: ['a.io: m.io digest', 'a.io/x: k.io'],
    },
    {
      name: 'copy the mirrors that registries.conf gives the source',
      conf: registry('a.io', mirror('k.io', 'insecure = true')) + registry('a.io/x'),
      digest: ['a.io <- m.io'],
      gives: ['a.io: k.io insecure, m.io digest', 'a.io/x: k.io/x insecure, m.io/x digest'],
    },
    {
      name: 'copy the source in the middle, too',
      digest: ['a.io <- m.io a.io n.io'],
      blocked: ['a.io/x'],
      gives: [
        'a.io: m.io digest, a.io digest, n.io digest',
        'a.io/x blocked: m.io/x digest, a.io/x digest, n.io/x digest',
      ],
    },
    {
      name: 'on another port are not nested',
      digest: ['a.io <- m.io'],
      blocked: ['a.io:5000'],
      gives: ['a.io: m.io digest', 'a.io:5000 blocked'],
    },
    {
      name: 'of a longer name are not nested',
      digest: ['a.io/x <- m.io'],
      blocked: ['a.io/xy'],
      gives: ['a.io/x: m.io digest', 'a.io/xy blocked'],
    },
    {
      name: 'under a source without effect get none',
      digest: ['a.io <- a.io'],
      blocked: ['a.io/x'],
      gives: ['a.io/x blocked'],
    },
    {
      name: 'of a wildcard source are an error',
      digest: ['*.a.io <- m.io'],
      blocked: ['b.a.io'],
      gives: /the wildcard source "\*\.a\.io" has mirrors, and "b\.a\.io"/,
    },
    {
      name: 'of a wildcard source, wildcards themselves',
      digest: ['*.a.io <- m.io'],
      insecure: ['*.b.a.io'],
      gives: /the wildcard source/,
    },
    {
      name: 'of a wildcard source, on a port',
      digest: ['*.a.io <- m.io'],
      conf: registry('b.a.io:5000/x'),
      gives: /the wildcard source/,
    },
    {
      name: 'of a wildcard source for tags',
      tag: ['*.a.io <- m.io'],
      blocked: ['b.a.io/x'],
      gives: /the wildcard source/,
    },
    {
      name: 'of a wildcard source with mirrors of their own are none',
      digest: ['*.a.io <- m.io', 'b.a.io <- n.io'],
      gives: ['*.a.io: m.io digest', 'b.a.io: n.io digest'],
    },
    {
      name: 'a wildcard does not cover its own domain',
      digest: ['*.a.io <- m.io'],
      blocked: ['a.io/x'],
      gives: ['*.a.io: m.io digest', 'a.io/x blocked'],
    },
  ]);
});

describe('a registries.conf with entries', () => {
  run([
    {
      name: 'keeps those that no object names',
      conf: registry('z.io', 'blocked = true', mirror('k.io')),
      digest: ['a.io <- m.io'],
      gives: ['a.io: m.io digest', 'z.io blocked: k.io'],
    },
    {
      name: 'mirrors of objects come after its own',
      conf: registry('a.io', mirror('k.io'), mirror('l.io', 'pull-from-mirror = "tag-only"')),
      digest: ['a.io <- m.io'],
      tag: ['a.io <- t.io'],
      gives: ['a.io: k.io, l.io tag, m.io digest, t.io tag'],
    },
    {
      name: 'a mirror that is there already is asked twice, as on a node',
      conf: registry('a.io', mirror('m.io', 'pull-from-mirror = "digest-only"')),
      digest: ['a.io <- m.io'],
      gives: ['a.io: m.io digest, m.io digest'],
    },
    {
      name: 'an entry is found by its prefix',
      conf: registry('l.io/y', 'prefix = "a.io/x"'),
      digest: ['a.io/x <- m.io'],
      gives: ['a.io/x (l.io/y): m.io digest'],
    },
    {
      name: 'an entry with another prefix is not found by its location',
      conf: registry('a.io', 'prefix = "b.io"'),
      digest: ['a.io <- m.io'],
      gives: ['a.io: m.io digest', 'b.io (a.io)'],
    },
    {
      name: 'a wildcard entry is found',
      conf: '[[registry]]\nprefix = "*.a.io"\nlocation = "l.io"\n',
      digest: ['*.a.io <- m.io'],
      gives: ['*.a.io (l.io): m.io digest'],
    },
    {
      name: 'keeps blocked',
      conf: registry('a.io', 'blocked = true'),
      digest: ['a.io <- m.io'],
      gives: ['a.io blocked: m.io digest'],
    },
    {
      name: 'with mirror-by-digest-only contradicts mirrors of objects',
      conf: registry('a.io', 'mirror-by-digest-only = true', mirror('k.io')),
      digest: ['a.io <- m.io'],
      gives:
        /the mirror "m\.io" is digest-only, which contradicts mirror-by-digest-only = true of the registry "a\.io" \(.*registries\.conf:2\)/,
    },
    {
      name: 'with mirror-by-digest-only contradicts mirrors for tags',
      conf: registry('a.io', 'mirror-by-digest-only = true'),
      tag: ['a.io <- m.io'],
      gives: /"m\.io" is tag-only, which contradicts/,
    },
    {
      name: 'with mirror-by-digest-only contradicts copies',
      conf: registry('a.io/x', 'mirror-by-digest-only = true'),
      digest: ['a.io <- m.io'],
      gives: /"m\.io\/x" is digest-only, which contradicts/,
    },
    {
      name: 'with mirror-by-digest-only and flags of objects',
      conf: registry('a.io', 'mirror-by-digest-only = true', mirror('k.io')),
      insecure: ['k.io'],
      blocked: ['a.io'],
      gives: ['a.io blocked: k.io insecure', 'k.io insecure'],
    },
    {
      name: 'one location under two prefixes, of which one is blocked',
      conf: registry('l.io', 'prefix = "a.io"') + registry('l.io', 'prefix = "b.io"'),
      blocked: ['a.io'],
      gives:
        /the entries "a\.io" and "b\.io" have the same location "l\.io", and only one of them is blocked/,
    },
    {
      name: 'one location under two prefixes, of which one is insecure',
      conf: registry('l.io', 'prefix = "a.io"') + registry('l.io', 'prefix = "b.io"'),
      insecure: ['b.io'],
      gives: /only one of them is insecure/,
    },
    {
      name: 'one location under two prefixes, both blocked',
      conf: registry('l.io', 'prefix = "a.io"') + registry('l.io', 'prefix = "b.io"'),
      blocked: ['a.io', 'b.io'],
      gives: ['a.io (l.io) blocked', 'b.io (l.io) blocked'],
    },
    {
      name: 'a location that a new entry blocks',
      conf: registry('l.io', 'prefix = "a.io"'),
      digest: ['l.io <- m.io never'],
      gives: /have the same location "l\.io", and only one of them is blocked/,
    },
  ]);
});

describe('the form of sources and mirrors', () => {
  for (const [source, isRight] of Object.entries({
    'a.io': true,
    'a.io:5000': true,
    'A.io/x': true,
    'a.io/x/y-z/q__r.s': true,
    '*.a.io': true,
    localhost: true,
    '': false,
    'a.io/': false,
    'a.io/X': false,
    'a.io/x:1': false,
    'a.io/x@sha256:aa': false,
    'a.io/x ': false,
    ' a.io': false,
    'a.io:': false,
    'a.io:port': false,
    '-a.io': false,
    'a..io': false,
    'a_b.io': false,
    'a.io//x': false,
    'a.io/.x': false,
    'a.io/x.': false,
    'a.io/x___y': false,
    'https://a.io': false,
    '[::1]:5000': false,
    '*': false,
    '*.': false,
    '*.a.io:5': false,
    '*.a.io/x': false,
    '**.a.io': false,
    'a.*.io': false,
  })) {
    it(`${JSON.stringify(source)} is ${isRight ? 'a' : 'no'} source`, (t) => {
      for (const kind of ['digest', 'old', 'tag'] as const) {
        const row = () => render(t, { [kind]: [`${source} <- m.io`] });
        if (isRight) assert.equal(row().length, 1);
        else assert.throws(row, /the source ".*" has not the right form/);
      }
    });
    const isMirror = isRight && !source.startsWith('*');
    if (source.includes(' ') || source === '') continue;
    it(`${JSON.stringify(source)} is ${isMirror ? 'a' : 'no'} mirror`, (t) => {
      for (const kind of ['digest', 'old', 'tag'] as const) {
        const row = () => render(t, { [kind]: [`z.io <- ${source}`] });
        if (isMirror) assert.equal(row().length, 1);
        else assert.throws(row, /the mirror ".*" has not the right form/);
      }
    });
  }

  it('takes linear time, whatever the text is', (t) => {
    assert.throws(() => render(t, { digest: [`z.io <- m.io/${'a'.repeat(100_000)}!`] }), /the mirror/);
    assert.throws(() => render(t, { digest: [`${'a'.repeat(100_000)}. <- m.io`] }), /the source/);
  });

  it('every problem of every object is reported, not only the first', (t) => {
    assert.throws(
      () => render(t, { digest: ['A/ <- m.io', 'b.io <- M/'], blocked: [''] }),
      (error) => {
        assert.ok(error instanceof EntrepotError);
        assert.equal(error.message.split('\n').length, 3);
        assert.match(error.message, /"A\/".*\n.*"M\/".*\n.*Image "cluster": "" in blockedRegistries/);
        return true;
      },
    );
  });
});
