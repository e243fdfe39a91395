import { testJobStore } from '../../contract/job-store.ts';
import { createMemoryJobs } from '../../support/memory-jobs.ts';

testJobStore(async () => createMemoryJobs());
