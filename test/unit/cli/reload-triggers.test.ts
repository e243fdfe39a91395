import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createReloads } from '../../../src/cli/reload-triggers.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { tempFolder } from '../../support/temp-folder.ts';

it('a reload with several causes tells all of them, and each file once', async (t) => {
  const folder = tempFolder(t);
  const config = loadConfig({ flags: {}, env: {}, cwd: folder, home: folder, uid: 1, root: folder });
  const lines: Record<string, unknown>[] = [];
  const log = createLog({ level: 'info', to: { write: (line) => lines.push(JSON.parse(line)) } });
  const app = Promise.resolve({ reload: async () => {}, reloadRefused: () => {} });
  const reloads = createReloads({ app, read: async () => config, log }, config);
  void reloads.ask({ changed: ['registries.conf', 'entrepot.toml'] });
  void reloads.ask({ changed: ['objects of the cluster', 'entrepot.toml'] });
  await reloads.ask({ signal: 'SIGHUP' });
  const told = lines.filter(({ event }) => event === 'config.reloaded');
  assert.deepEqual(
    told.map(({ changed, signal }) => [changed, signal]),
    [[['registries.conf', 'entrepot.toml', 'objects of the cluster'], 'SIGHUP']],
  );
});
