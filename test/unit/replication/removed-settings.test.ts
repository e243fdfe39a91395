import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { JobContext, JobKind } from '../../../src/jobs/job.ts';
import { createRegistryJob } from '../../../src/replication/events/registry-job.ts';
import { createSyncJob } from '../../../src/replication/sync-job.ts';
import { createManualClock } from '../../support/clock.ts';

it('a job of a block or a sender that entrepot.toml has no more is no failure, for which an alert would never end', async () => {
  const clock = createManualClock();
  const nothing = () => assert.fail('nothing is to be done');
  const kinds: JobKind[] = [
    createSyncJob({ blocks: () => [], clock, syncs: { sync: nothing } } as never),
    createRegistryJob({ senders: () => [], blocks: () => [], store: { add: nothing }, clock } as never),
  ];
  for (const kind of kinds) {
    const outcome = await kind.run({ job: { key: 'old' } } as JobContext);
    assert.equal(outcome.kind, 'done');
    assert.match(JSON.stringify(outcome), /named old any more/);
  }
});
