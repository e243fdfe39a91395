/** registries.d: all files of the folder together. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { readRegistriesD } from '../../../../src/config/gates/registries-d.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

function read(t: TestContext, files: Readonly<Record<string, string>>) {
  const folder = tempFolder(t);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return readRegistriesD(folder);
}

describe('registries.d', () => {
  it('is read from every file whose name ends in .yaml', (t) => {
    const found = read(t, {
      'a.yaml': 'default-docker:\n  sigstore: file:///var/sig/\n',
      'b.yaml':
        'docker:\n  quay.io:\n    lookaside: https://sig.corp/x\n    sigstore: https://old.corp\n    use-sigstore-attachments: true\n',
      'c.yml': 'docker: nonsense\n',
      'd.yaml': '',
    });
    assert.equal(found.default?.url, 'file:///var/sig');
    assert.equal(found.docker.get('quay.io')?.url, 'https://sig.corp/x');
    assert.equal(found.docker.get('quay.io')?.attachments, true);
    assert.deepEqual([...found.docker.keys()], ['quay.io']);
  });

  it('is empty where there is no such folder', () => {
    assert.deepEqual(readRegistriesD('/nowhere/registries.d'), { docker: new Map(), default: undefined });
  });

  it('has each scope in one file only', (t) => {
    const one = 'docker:\n  quay.io:\n    lookaside: https://sig.corp\n';
    assert.throws(() => read(t, { 'a.yaml': one, 'b.yaml': one }), /docker "quay\.io" is in .*a\.yaml, too/);
    const two = 'default-docker:\n  lookaside: https://sig.corp\n';
    assert.throws(() => read(t, { 'a.yaml': two, 'b.yaml': two }), /default-docker is in .*a\.yaml, too/);
  });

  it('names URLs with http, https or file, without credentials', (t) => {
    for (const url of ['ftp://sig.corp', 'sig.corp', 'https://user:secret@sig.corp']) {
      assert.throws(() => read(t, { 'a.yaml': `default-docker:\n  lookaside: ${url}\n` }), /must be a URL/);
    }
    assert.throws(
      () => read(t, { 'a.yaml': 'default-docker:\n  use-sigstore-attachments: maybe\n' }),
      /must be true or false/,
    );
  });
});
