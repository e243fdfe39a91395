/** Commands on the data folder and with the configuration of an app, whether it runs or not. */
import { join } from 'node:path';
import type { RunningApp } from './app.ts';
import { runEntrepot } from './processes.ts';

/** `json` is what `--json` printed. */
export async function runCommand(
  { folder, data }: Pick<RunningApp, 'folder' | 'data'>,
  ...args: readonly string[]
) {
  const files = ['--registries', join(folder, 'registries.conf'), '--config', join(folder, 'entrepot.toml')];
  const { code, stdout, stderr } = await runEntrepot([...args, '--data', data, ...files]);
  const json = args.includes('--json') && stdout !== '' ? JSON.parse(stdout) : undefined;
  return { code, stdout, stderr, json };
}
