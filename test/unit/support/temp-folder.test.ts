import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '../../support/temp-folder.ts';

test('a folder outlives the hooks that stop what works in it, and is gone after the test', async (t) => {
  let path = '';
  let wasThere = false;
  await t.test('inner', (inner) => {
    path = tempFolder(inner);
    writeFileSync(join(path, 'file'), 'content');
    inner.after(() => {
      wasThere = existsSync(join(path, 'file'));
    });
  });
  assert.deepEqual([wasThere, existsSync(path)], [true, false]);
});
