/** `entrepot health`: whether the server of the data folder answers; for the health check of a container. */
import { request } from 'node:http';
import { adminSocket } from '../../config/admin-socket.ts';
import { type LoadOptions, loadWhatIsRight } from '../../config/load.ts';
import type { Result } from '../output/result.ts';
import { unknownFolder } from '../unknown-folder.ts';

/** ms. */
const timeout = 4000;

/** Exit code 1 without an answer. Errors of the configuration do not count: the server still runs with the one before. */
export async function health(options: LoadOptions): Promise<Result> {
  const found = loadWhatIsRight(options);
  const socket = adminSocket(found.server.data);
  if (await answers(socket)) return { exitCode: 0, json: { healthy: true, socket }, text: 'ok\n' };
  const reason = found.isDataUnknown ? `entrepot: ${unknownFolder(found).located}\n` : '';
  return {
    exitCode: 1,
    json: { healthy: false, socket },
    text: `entrepot: no server answers at ${socket}\n${reason}`,
    isFailure: true,
  };
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path: '/healthz', timeout }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(false));
    asked.on('close', () => resolve(false));
    asked.end();
  });
}
