/** Opens the data folder of its first argument, says so, and holds it until it is killed. */
import { openCache } from '../../../../src/cache/open-cache.ts';
import { systemClock } from '../../../../src/lib/clock.ts';
import { buffers, collectLog } from '../data-folder-fixture.ts';

await openCache(
  { clock: systemClock, log: collectLog(), buffers },
  { data: process.argv[2]!, maxSize: undefined, minFree: 0, quotas: [], pins: [] },
);
process.stdout.write('held\n');
setInterval(() => {}, 60_000);
