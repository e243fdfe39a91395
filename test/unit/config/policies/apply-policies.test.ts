/** What holds for all objects, and where each part of the result comes from. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { applyPolicies } from '../../../../src/config/policies/apply-policies.ts';
import { builtInEntries, hasBuiltInList } from '../../../../src/config/registries-conf/built-in.ts';
import { loadRegistries } from '../../../../src/config/registries-conf/load.ts';
import { EntrepotError } from '../../../../src/errors.ts';
import { asYaml, manifestsOf, type ShortObjects } from '../../../support/cluster-objects.ts';
import { entryText, objectsOf, registriesOf } from '../../../support/rendered-policies.ts';

const scope = fc.constantFrom(
  'a.io',
  'a.io/x',
  'a.io/x/y',
  'b.a.io',
  'm.io',
  'a.io:5000',
  '*.a.io',
  'z.io/x',
);
const source = fc.constantFrom('a.io', 'a.io/x', 'b.a.io', 'z.io', '*.a.io');
const mirror = fc.constantFrom('m.io', 'n.io/p', 'l.io', 'k.io', 'a.io/x', 'z.io');
const list = fc
  .record({ source, mirrors: fc.uniqueArray(mirror, { maxLength: 4 }) })
  .map(({ source, mirrors }) => `${source} <- ${mirrors.join(' ')}`);
const objects: fc.Arbitrary<ShortObjects> = fc.record({
  digest: fc.array(list, { maxLength: 4 }),
  old: fc.array(list, { maxLength: 3 }),
  tag: fc.array(list, { maxLength: 3 }),
  insecure: fc.array(scope, { maxLength: 3 }),
  blocked: fc.array(scope, { maxLength: 3 }),
});
const conf = fc.constantFrom(
  '',
  '[[registry]]\nlocation = "a.io/x"\n[[registry]]\nlocation = "z.io"\nblocked = true\n[[registry.mirror]]\nlocation = "own.io"\n',
  '[[registry]]\nprefix = "*.a.io"\nlocation = "l.io"\n',
);

/** The entries, or the place that cannot be used. */
function outcome(work: () => ReturnType<typeof applyPolicies>): unknown {
  try {
    return work().conf.entries.map(entryText);
  } catch (error) {
    if (!(error instanceof EntrepotError)) throw error;
    return 'error';
  }
}

describe('applied objects', () => {
  it('give the same, whatever they are called and in whatever order they come', (t) => {
    const confs = new Map<string, ReturnType<typeof registriesOf>>();
    fc.assert(
      fc.property(objects, conf, fc.infiniteStream(fc.nat()), (some, text, random) => {
        const registries = confs.get(text) ?? registriesOf(t, text);
        confs.set(text, registries);
        const manifests = manifestsOf(some);
        const order = manifests.map((manifest) => ({ manifest, at: random.next().value }));
        const shuffled = order.sort((one, other) => one.at - other.at).map(({ manifest }) => manifest);
        const renamed = manifestsOf(some, (index) => `name-${100 - index}`);
        const expected = outcome(() => applyPolicies(registries, objectsOf(asYaml(manifests))));
        assert.deepEqual(
          outcome(() => applyPolicies(registries, objectsOf(asYaml(shuffled)))),
          expected,
        );
        assert.deepEqual(
          outcome(() => applyPolicies(registries, objectsOf(asYaml(renamed)))),
          expected,
        );
      }),
    );
  });

  it('add the same mirrors once more when they are applied to their own result, and change nothing else', (t) => {
    const empty = registriesOf(t, '');
    fc.assert(
      fc.property(objects, (some) => {
        const read = objectsOf(asYaml(manifestsOf(some)));
        if (outcome(() => applyPolicies(empty, read)) === 'error') return;
        const once = applyPolicies(empty, read).conf;
        // Every entry within a wildcard has its mirrors by now, or none are to be copied.
        const twice = applyPolicies(once, read).conf;
        const plain = ({ entries }: typeof once) =>
          entries.map(({ prefix, location, insecure, blocked, mirrors }) => ({
            prefix,
            location,
            insecure: insecure ?? false,
            blocked,
            // A copy for a nested entry has the flag of its original at first, and that of its own location then.
            mirrors: [...new Set(mirrors.map((one) => `${one.location} ${one.pullFromMirror}`))].sort(),
          }));
        assert.deepEqual(plain(twice), plain(once));
      }),
    );
  });

  it('leave the configuration that they are applied to as it was', (t) => {
    const registries = registriesOf(
      t,
      '[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\nlocation = "m.io"\n',
    );
    const before = structuredClone(registries);
    applyPolicies(
      registries,
      objectsOf(asYaml(manifestsOf({ digest: ['a.io <- n.io never'], insecure: ['m.io'] }))),
    );
    assert.deepEqual(registries, before);
  });

  it('say of each entry, mirror and flag which object it comes from', (t) => {
    const registries = registriesOf(
      t,
      '[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\nlocation = "m.io"\n',
    );
    const text = asYaml(
      manifestsOf({
        digest: ['b.io <- n.io never', 'b.io <- k.io n.io never'],
        insecure: ['m.io'],
        blocked: ['a.io'],
      }),
    );
    const [a, b, m] = applyPolicies(registries, objectsOf(text)).conf.entries;
    const lines = text.split('\n');
    const lineOf = (part: string, from = 0) =>
      lines.findIndex((line, at) => at >= from && line.includes(part)) + 1;
    const first = { kind: 'ImageDigestMirrorSet', name: 'o0' };
    const second = { kind: 'ImageDigestMirrorSet', name: 'o1' };
    const image = { kind: 'Image', name: 'cluster' };
    const file = 'o.yaml';
    assert.deepEqual(a?.origin.object, undefined);
    assert.deepEqual(a?.blockedOrigin, { file, line: lineOf('"a.io"'), object: image });
    assert.deepEqual(a?.mirrors[0]?.insecureOrigin, { file, line: lineOf('"m.io"'), object: image });
    assert.deepEqual(b?.origin, { file, line: lineOf('"source": "b.io"'), object: first });
    assert.deepEqual(b?.blockedOrigin, { file, line: lineOf('NeverContactSource'), object: first });
    assert.deepEqual(
      b?.mirrors.map(({ origin }) => origin),
      [
        { file, line: lineOf('"k.io"'), object: second },
        { file, line: lineOf('"n.io"'), object: first },
      ],
    );
    assert.deepEqual(m?.origin, { file, line: lineOf('"m.io"'), object: image });
  });

  it('keep the built-in list for what they do not cover', () => {
    const { registries } = loadRegistries({ env: {}, home: '/nonexistent', uid: 1, root: '/nonexistent' });
    const read = objectsOf(
      asYaml(
        manifestsOf({
          digest: ['*.redhat.com <- m.corp', 'quay.io/team <- m.corp/team', 'ghcr.io <- m.corp/g'],
        }),
      ),
    );
    const { conf } = applyPolicies(registries, read);
    const texts = conf.entries.map(entryText);
    assert.ok(hasBuiltInList(conf));
    assert.deepEqual(texts, texts.toSorted());
    assert.equal(texts.length, builtInEntries.length - 2 + 3);
    for (const text of [
      '*.redhat.com: m.corp digest',
      'quay.io',
      'quay.io/team: m.corp/team digest',
      'ghcr.io: m.corp/g digest',
    ]) {
      assert.ok(texts.includes(text), text);
    }
  });

  it('replace the search registries of registries.conf, even by none', (t) => {
    const registries = registriesOf(t, 'unqualified-search-registries = ["a.io"]\n');
    const searched = (some: ShortObjects) =>
      applyPolicies(registries, objectsOf(asYaml(manifestsOf(some)))).conf.unqualifiedSearchRegistries;
    assert.deepEqual(searched({ blocked: ['b.io'] }), ['a.io']);
    assert.deepEqual(searched({ search: ['q.io', 'r.io:5000/'] }), ['q.io', 'r.io:5000']);
    assert.deepEqual(searched({ search: [] }), []);
    assert.throws(() => searched({ search: ['q.io/x'] }), /"q.io\/x" in containerRuntimeSearchRegistries/);
  });

  it('warn of mirrors that no image can be pulled from', (t) => {
    const read = objectsOf(asYaml(manifestsOf({ digest: ['a.io <- mirror/x m.io'] })));
    const [warning, ...others] = applyPolicies(registriesOf(t, ''), read).warnings;
    assert.deepEqual(others, []);
    assert.match(
      warning?.message ?? '',
      /^ImageDigestMirrorSet "o0": pulls that match "a.io" will fail: .*"mirror\/x"/,
    );
  });
});
