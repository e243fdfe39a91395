/** `entrepot health`: whether the server of the data folder answers; for the health check of a container. */
import { request } from 'node:http';
import { adminSocket } from '../../config/admin-socket.ts';
import { type LoadOptions, loadWhatIsRight } from '../../config/load.ts';
import type { Result } from '../output/result.ts';

/** ms. */
const timeout = 4000;

/** Exit code 1 without an answer. Errors of the configuration do not count: the server still runs with the one before. */
export async function health(options: LoadOptions): Promise<Result> {
  const socket = adminSocket(loadWhatIsRight(options).server.data);
  const healthy = await answers(socket);
  return {
    exitCode: healthy ? 0 : 1,
    json: { healthy, socket },
    text: healthy ? 'ok\n' : `entrepot: no server answers at ${socket}\n`,
    ...(!healthy && { isFailure: true }),
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
