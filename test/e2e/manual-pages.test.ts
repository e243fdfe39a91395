/** The manual pages, read by the programs that show them. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { run as runInherited } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { hasPrograms } from './support/equipment.ts';
import { run } from './support/programs.ts';

const script = join(import.meta.dirname, '../../deploy/man/manual-pages.ts');

async function writtenPages(t: TestContext): Promise<readonly string[]> {
  const folder = tempFolder(t);
  const { code, stderr } = await runInherited(process.execPath, [script, folder]);
  assert.equal(code, 0, stderr);
  const pages = readdirSync(folder).map((name) => join(folder, name));
  assert.ok(pages.length > 20);
  return pages;
}

test('mandoc finds no fault in the manual pages', async (t) => {
  if (!hasPrograms(t, ['mandoc'])) return;
  // Below that are remarks on style, such as the length of lines.
  assert.equal(await run('mandoc', ['-Tlint', '-Wwarning', ...(await writtenPages(t))], {}), '');
});

test('groff warns of nothing in the manual pages', async (t) => {
  if (!hasPrograms(t, ['groff'])) return;
  for (const page of await writtenPages(t)) {
    const warnings = await run('sh', ['-c', `groff -ww -man -Tutf8 -Kutf8 ${page} 2>&1 >/dev/null`], {});
    assert.equal(warnings, '', page);
  }
});
