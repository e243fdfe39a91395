import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { openLiveFacts } from '../../../src/app/live-facts.ts';
import type { SharedFacts } from '../../../src/cache/shared/shared-facts.ts';
import { createReleases } from '../../../src/lib/flow/releases.ts';
import { startBlackHole } from '../../support/black-hole.ts';
import { createManualClock } from '../../support/clock.ts';
import { tempFolder } from '../../support/temp-folder.ts';

it('starts after 30 s where PostgreSQL has not answered, although no facts are known', async (t) => {
  const hole = await startBlackHole();
  t.after(() => hole.stop());
  const urlFile = join(tempFolder(t), 'facts-url');
  writeFileSync(urlFile, `postgresql://entrepot@${hole.host}/postgres?connect_timeout=20`);
  const clock = createManualClock();
  const releases = createReleases();
  t.after(() => releases.unwind());
  const own = { position: async () => undefined, whenWaiting() {} } as Partial<SharedFacts> as SharedFacts;
  const silent = () => {};
  const log = { info: silent, warn: silent, error: silent } as never;
  const { facts } = openLiveFacts(
    { facts: { urlFile, goneAfter: 1 } },
    { facts: own },
    { clock, log, releases },
  );
  const started = facts?.start().then(() => 'started');
  await hole.reached;
  await clock.advance(29_000);
  assert.equal(await Promise.race([started, 'waits']), 'waits');
  await clock.advance(1000);
  assert.equal(await Promise.race([started, 'waits']), 'started');
});
