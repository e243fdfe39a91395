import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAdminApi } from '../../../src/http/admin-api.ts';
import type { Administration } from '../../../src/pull/administration.ts';

test('a watcher who does not read costs a bounded number of lines, and gets the report all the same', async () => {
  const report = { checked: 1, bytes: 1, damaged: [], unreadable: [] };
  const scrub: Administration['scrub'] = async (_, { onProgress }) => {
    for (let done = 0; done < 100_000; done += 1) onProgress?.({ size: 100_000, done });
    return report;
  };
  const administration = { scrub } as Administration;
  const api = createAdminApi({ administration, log: { info() {}, error() {} } });
  const answer = await api.request('/scrub', { method: 'POST' });
  const lines = (await answer.text()).trimEnd().split('\n');
  assert.equal(lines.length, 1001);
  assert.deepEqual(JSON.parse(lines.at(-1)!), { report });
});
