/**
 * Whom the commands of the cache speak to: the server that holds the data folder, over its admin socket; where none does,
 * the data folder itself, opened as a server would for as long as the command takes.
 */

import type { Administration } from '../admin/administration.ts';
import { isDataFolder } from '../cache/data-folder.ts';
import { adminSocket } from '../config/admin-socket.ts';
import { type LoadOptions, loadConfig } from '../config/load.ts';
import { EntrepotError } from '../errors.ts';
import { createLog } from '../telemetry/log.ts';
import { connectAdministration } from './admin-client.ts';
import { readVersion } from './version.ts';

/** Throws EntrepotError, DATA_LOCKED among them where a server holds the folder but does not answer. */
export async function administer<T>(
  options: LoadOptions,
  work: (administration: Administration) => Promise<T>,
  { makesFolder = false }: { /** Where there is none yet. */ readonly makesFolder?: boolean } = {},
): Promise<T> {
  const config = loadConfig(options);
  const { data } = config.server;
  const running = await connectAdministration(adminSocket(data));
  if (running) return await work(running);
  if (!makesFolder && !isDataFolder(data)) {
    const message = 'no data folder of Entrepot is there: name the right one with --data';
    throw new EntrepotError('DATA_UNUSABLE', message, { file: data });
  }
  const { createApp } = await import('../app.ts');
  const log = createLog({ level: 'warn', to: process.stderr });
  const app = await createApp(config, { log, env: options.env, version: readVersion() });
  // The app leaves it to its sockets to keep the process up, and a command has none: one that waits would just end.
  const busy = setInterval(() => {}, 60_000);
  try {
    return await work(app.administration);
  } finally {
    await app.stop().finally(() => clearInterval(busy));
  }
}
