/** Runs the program on a folder with a job that does not end: `node endless-job.ts FOLDER`. It prints `running` once the job runs. */
import { createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { JobKind } from '../../src/jobs/job.ts';
import { createLog } from '../../src/telemetry/log.ts';

const [folder = ''] = process.argv.slice(2);
const endless: JobKind = {
  name: 'chore',
  atOnce: 1,
  run({ job, tell }) {
    tell({ tags: 3 });
    process.stdout.write(`running ${job.id} attempt ${job.attempts}\n`);
    return new Promise(() => {});
  },
};
const config = loadConfig({
  flags: {
    registries: `${folder}/registries.conf`,
    config: `${folder}/entrepot.toml`,
    data: `${folder}/data`,
    listen: '127.0.0.1:0',
  },
  env: {},
  home: folder,
  uid: 1000,
  cwd: folder,
  root: folder,
});
const app = await createApp(config, {
  log: createLog({ level: 'warn', to: process.stderr }),
  env: {},
  jobKinds: [endless],
});
await app.start();
await app.jobs.add({ kind: 'chore', key: 'ubi', arguments: null, priority: 0, cause: 'manual' });
setInterval(() => {}, 1000);
