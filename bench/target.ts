/** An empty docker-registry that takes what other tools copy. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { keepRunning } from './peers/keep-running.ts';
import { freePort, type Stage } from './stage.ts';

export interface Target {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  readonly stop: () => Promise<void>;
}

export async function startTarget(stage: Stage, folder = stage.folder('target')): Promise<Target> {
  const address = `127.0.0.1:${await freePort()}`;
  const file = join(folder, 'config.yml');
  mkdirSync(join(folder, 'storage'));
  const storage = { filesystem: { rootdirectory: join(folder, 'storage') } };
  const log = { accesslog: { disabled: true } };
  writeFileSync(file, JSON.stringify({ version: '0.1', storage, http: { addr: address }, log }));
  const options = { command: ['docker-registry', 'serve', file], folder, address };
  const running = await keepRunning('docker-registry', stage, options);
  return { address, stop: () => running.stop() };
}
