import { testJobInbox } from '../../contract/job-inbox.ts';
import { createMemoryInbox } from '../../support/memory-inbox.ts';
import { createMemoryJobs } from '../../support/memory-jobs.ts';

testJobInbox(async () => {
  const store = createMemoryJobs();
  return { store, inbox: createMemoryInbox(store) };
});
