/** The folder of policies. */
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { ConfigWarning } from '../../../../src/config/config.ts';
import { loadPolicies } from '../../../../src/config/policies/load-policies.ts';
import type { EntrepotError } from '../../../../src/errors.ts';
import { asYaml, manifestsOf, type ShortObjects } from '../../../support/cluster-objects.ts';
import { entryText, registriesOf } from '../../../support/rendered-policies.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const yaml = (objects: ShortObjects) => asYaml(manifestsOf(objects));

function load(t: TestContext, files: Readonly<Record<string, string>>, folder = tempFolder(t)) {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const warnings: ConfigWarning[] = [];
  const errors: EntrepotError[] = [];
  const loaded = loadPolicies({ folder, cluster: undefined }, registriesOf(t, ''), { warnings, errors });
  const short = (text: string) => text.replaceAll(`${folder}/`, '').replaceAll(folder, 'FOLDER');
  return {
    entries: loaded?.conf.entries.map(entryText),
    files: loaded?.files.map(short),
    warnings: warnings.map(({ file, line, message }) => short(`${file}:${line ?? ''} ${message}`)),
    errors: errors.map(({ code, located }) => `${code} ${short(located)}`),
  };
}

describe('a folder of policies', () => {
  it('is read in the order of names: *.yaml, *.yml and *.json', (t) => {
    const found = load(t, {
      'b.yml': yaml({ digest: ['b.io <- m.io'] }),
      'a.yaml': yaml({ digest: ['a.io <- m.io'] }),
      'B.json': yaml({ digest: ['c.io <- m.io'] }).replace('---', ''),
      'notes.txt': 'no: [yaml',
      'old.yaml.bak': 'no: [yaml',
    });
    assert.deepEqual(found.files, ['B.json', 'a.yaml', 'b.yml']);
    assert.deepEqual(found.entries, ['a.io: m.io digest', 'b.io: m.io digest', 'c.io: m.io digest']);
    assert.deepEqual([found.warnings.length, found.errors], [2, []], 'all three objects have one name');
  });

  it('has folders that are not read, and links to files that may be missing', (t) => {
    const folder = tempFolder(t);
    mkdirSync(join(folder, 'more.yaml'));
    writeFileSync(join(folder, 'more.yaml', 'x.yaml'), 'no: [yaml');
    mkdirSync(join(folder, '..data'));
    writeFileSync(join(folder, '..data', 'x'), yaml({ digest: ['a.io <- m.io'] }));
    symlinkSync('..data/x', join(folder, 'x.yaml'));
    symlinkSync('..data/none', join(folder, 'y.yaml'));
    const found = load(t, {}, folder);
    assert.deepEqual([found.files, found.errors], [['x.yaml'], []]);
  });

  it('that is empty is a warning', (t) => {
    const { entries, warnings, errors } = load(t, { 'README.md': 'x' });
    assert.deepEqual([entries, errors], [[], []]);
    assert.deepEqual(warnings, ['FOLDER: holds no *.yaml, *.yml or *.json: no policies are in force']);
  });

  it('that does not exist, or is a file, is an error', (t) => {
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'file'), '');
    for (const [name, problem] of [
      ['none', 'does not exist'],
      ['file', 'is no folder'],
    ] as const) {
      const { entries, errors } = load(t, {}, join(folder, name));
      assert.equal(entries, undefined);
      assert.equal(errors.length, 1);
      assert.match(errors[0] ?? '', new RegExp(`^CONFIG_UNREADABLE FOLDER: ${problem}: correct --policies`));
    }
  });

  it('with files that are wrong names all of them, and nothing is in force', (t) => {
    const { entries, errors } = load(t, {
      'a.yaml': yaml({ digest: ['a.io <- m.io m.io'] }),
      'b.yaml': yaml({ digest: ['b.io <- m.io'] }),
      'c.yaml': 'a: [',
    });
    assert.equal(entries, undefined);
    assert.equal(errors.length, 2);
    assert.match(
      errors[0] ?? '',
      /^CONFIG_INVALID a\.yaml:\d+: ImageDigestMirrorSet "o0": "m\.io" is there twice/,
    );
    assert.match(errors[1] ?? '', /^CONFIG_INVALID c\.yaml:\d: is not valid YAML/);
  });

  it('with objects of two files that conflict names both', (t) => {
    const { entries, errors } = load(t, {
      'a.yaml': yaml({ digest: ['a.io <- m.io never'] }),
      'b.yaml': yaml({ tag: ['a.io <- m.io'] }),
    });
    assert.equal(entries, undefined);
    assert.match(
      errors.join('\n'),
      /^CONFIG_INVALID b\.yaml:8: ImageTagMirrorSet "o0": conflicting mirrorSourcePolicy .* NeverContactSource in a\.yaml:12/,
    );
  });

  it('may have one object twice, and all count', (t) => {
    const { entries, warnings } = load(t, {
      'a.yaml': yaml({ digest: ['a.io <- m.io'] }),
      'b.yaml': yaml({ digest: ['a.io <- m.io'] }),
    });
    assert.deepEqual(entries, ['a.io: m.io digest']);
    assert.deepEqual(warnings, [
      'b.yaml:2 ImageDigestMirrorSet "o0": ImageDigestMirrorSet "o0" is in a.yaml:2, too: both count',
    ]);
  });

  it('may have an Image of another name, which counts with a warning', (t) => {
    const { entries, warnings } = load(t, {
      'a.yaml': yaml({ blocked: ['a.io'] }).replace('"cluster"', '"other"'),
    });
    assert.deepEqual(entries, ['a.io blocked']);
    assert.match(warnings.join('\n'), /^a\.yaml:2 Image "other": OpenShift reads only the Image "cluster"/);
  });
});
