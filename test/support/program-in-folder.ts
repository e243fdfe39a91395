/** The program over a folder that holds its whole configuration and its data, for tests that kill it and start it again. */
import { join } from 'node:path';
import { type RunningEntrepot, startEntrepot } from './processes.ts';
import type { Cleanup } from './temp-folder.ts';

/** `folder`: with entrepot.toml and registries.conf. Resolves when it listens; killed after the test. */
export async function startProgramIn(test: Cleanup, folder: string): Promise<RunningEntrepot> {
  const program = await startEntrepot({
    args: [
      ...['--config', join(folder, 'entrepot.toml'), '--data', join(folder, 'data')],
      ...['--registries', join(folder, 'registries.conf'), '--log-format', 'json'],
    ],
  });
  test.after(() => program.kill('SIGKILL'));
  return program;
}
