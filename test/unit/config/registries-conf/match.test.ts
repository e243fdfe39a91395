import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { byPrefixText } from '../../../../src/config/registries-conf/entries.ts';
import { findEntry } from '../../../../src/config/registries-conf/match.ts';
import { mergeFiles } from '../../../../src/config/registries-conf/merge.ts';
import type { RegistriesConf, RegistryEntry } from '../../../../src/config/registries-conf/registries.ts';

function registriesWith(prefixes: readonly string[]): RegistriesConf {
  const entries = [...new Set(prefixes)].map((prefix): RegistryEntry => {
    const flags = { insecure: undefined, blocked: false, mirrorByDigestOnly: false };
    return { prefix, location: 'hub.corp', ...flags, mirrors: [], origin: { file: 'a.conf', line: 1 } };
  });
  return { ...mergeFiles([]), entries: entries.sort(byPrefixText) };
}

/** The rule as it is written down: try every entry, take the longest, of equals the first. */
function longestOfAll(registries: RegistriesConf, name: string): string | undefined {
  let best = '';
  for (const { prefix } of registries.entries) {
    if (matchEnd(prefix, name) !== undefined && prefix.length > best.length) best = prefix;
  }
  return best === '' ? undefined : best;
}

function matchEnd(prefix: string, name: string): number | undefined {
  const isWildcard = prefix.startsWith('*.');
  const start = isWildcard ? name.indexOf(prefix.slice(1)) : name.startsWith(prefix) ? 0 : -1;
  if (start < 0 || name.slice(0, start).includes('/')) return undefined;
  const end = start + prefix.length - (isWildcard ? 1 : 0);
  return end === name.length || '/:@'.includes(name[end] ?? '') ? end : undefined;
}

const label = fc.constantFrom('a', 'b', 'ab', 'io', 'com', 'iot', 'company');
const host = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const port = fc.constantFrom('', '', ':5000', ':80');
const path = fc.array(fc.constantFrom('a', 'ab', 'lib', 'io'), { maxLength: 3 });
const plain = fc.tuple(host, port, path).map(([h, p, parts]) => [h + p, ...parts].join('/'));
const prefix = fc.oneof(
  plain,
  host.map((h) => `*.${h}`),
);
const name = fc.tuple(host, port, path).map(([h, p, parts]) => [h + p, ...parts, 'image'].join('/'));

describe('findEntry', () => {
  it('finds what trying every entry finds', () => {
    fc.assert(
      fc.property(fc.array(prefix, { maxLength: 12 }), name, (prefixes, text) => {
        const registries = registriesWith(prefixes);
        const found = findEntry(registries, text);
        assert.equal(found?.entry.prefix, longestOfAll(registries, text));
        if (found) assert.equal(found.matched.length, matchEnd(found.entry.prefix, text));
        if (found) assert.ok(text.startsWith(found.matched));
      }),
      { numRuns: 2000 },
    );
  });

  it('tells the part that matched', () => {
    const registries = registriesWith(['*.ex.io', 'quay.io/team']);
    assert.equal(findEntry(registries, 'a.b.ex.io:5000/x')?.matched, 'a.b.ex.io');
    assert.equal(findEntry(registries, 'quay.io/team/x')?.matched, 'quay.io/team');
    assert.equal(findEntry(registries, 'quay.io/x'), undefined);
  });

  it('looks at few of thousands of entries', () => {
    const many = Array.from({ length: 5000 }, (_, index) => `registry${index}.example.com/team${index}`);
    const registries = registriesWith([...many, 'docker.io']);
    let looks = 0;
    const entries = new Proxy(registries.entries, {
      get(target, key, receiver) {
        looks += 1;
        return Reflect.get(target, key, receiver) as unknown;
      },
    });
    assert.equal(findEntry({ ...registries, entries }, 'docker.io/library/alpine')?.matched, 'docker.io');
    assert.ok(looks > 0 && looks < 100, `${looks}`);
  });
});
