/** The sums of a bundle that is being written: what an export that was killed goes on from. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { sumsName } from '../../../../src/airgap/bundle-names.ts';
import { keepSums } from '../../../../src/airgap/export/destination.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

it('keeps the sums that were there until new ones are written', async (t) => {
  const folder = tempFolder(t);
  const draft = join(folder, `${sumsName('site')}.partial`);
  await keepSums({ folder, name: 'site' }, new Map([['site.0001.tar', 'a'.repeat(64)]]));
  const before = readFileSync(draft, 'utf8');
  // The next ones cannot be written: their draft is a folder.
  mkdirSync(`${draft}.new`);
  await assert.rejects(keepSums({ folder, name: 'site' }, new Map()));
  assert.ok(existsSync(draft));
  assert.equal(readFileSync(draft, 'utf8'), before);
});
