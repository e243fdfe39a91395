/**
 * Gives a command the `Commands` of the server that `--server` names; else those of the data folder: of the server that holds the
 * folder, over its admin socket, or without such a server of the folder itself, which stays open for as long as the command runs.
 */

import type { Commands } from '../app/commands.ts';
import { isDataFolder } from '../cache/data-folder.ts';
import { adminSocket } from '../config/admin-socket.ts';
import { type LoadOptions, loadWhatIsRight, wholeConfig } from '../config/load.ts';
import { readRemoteServer } from '../config/remote-server.ts';
import { EntrepotError, joinErrors } from '../errors.ts';
import { createLog } from '../telemetry/log.ts';
import { createAdminClient } from './admin-client.ts';
import { refuseForeignFolder } from './folder-owner.ts';
import { connectRemote, connectSocket } from './server-connection.ts';
import { unknownFolder } from './unknown-folder.ts';
import { readVersion } from './version.ts';

/**
 * Resolves with the result of `work`. `makesFolder`: makes the data folder if it does not exist. A configuration that has become wrong on
 * the disk matters only without a server, which runs on with the one before. Throws EntrepotError: DATA_LOCKED if another process holds
 * the folder and has no admin socket, DATA_UNUSABLE if there is no folder, or as
 * root if it is another user's.
 */
export async function withAdministration<T>(
  options: LoadOptions,
  work: (administration: Commands) => Promise<T>,
  { makesFolder = false }: { readonly makesFolder?: boolean } = {},
): Promise<T> {
  const remote = readRemoteServer(options.flags, options.env, options.cwd);
  if (remote) return await work(createAdminClient(connectRemote(remote)));
  const found = loadWhatIsRight(options);
  const { data } = found.server;
  const misused = found.errors.filter(({ code }) => code === 'USAGE');
  if (misused.length > 0) throw joinErrors(misused);
  // It would act on the cache of another server.
  if (found.isDataUnknown) throw unknownFolder(found);
  const running = await connectSocket(adminSocket(data));
  if (running) return await work(createAdminClient(running));
  const config = wholeConfig(found);
  refuseForeignFolder(data, options.uid);
  if (!makesFolder && !isDataFolder(data)) {
    const message = 'no data folder of Entrepot is there: name the right one with --data';
    throw new EntrepotError('DATA_UNUSABLE', message, { file: data });
  }
  const { createApp } = await import('../app.ts');
  const log = createLog({ level: 'warn', to: process.stderr });
  const app = await createApp(config, { log, env: options.env, version: readVersion() });
  // Timers of the app do not keep the process alive, and a command has no listening socket: without this timer the process
  // could end while the command waits.
  const keepAlive = setInterval(() => {}, 60_000);
  try {
    return await work(app.administration);
  } finally {
    await app.stop().finally(() => clearInterval(keepAlive));
  }
}
