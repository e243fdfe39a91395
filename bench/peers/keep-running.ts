/** A peer's process: started, restarted on the same folder and address, stopped. */
import type { Stage } from '../stage.ts';
import type { PeerName, RunningPeer } from './peer.ts';

export async function keepRunning(
  name: PeerName,
  stage: Stage,
  { command, folder, address }: { command: readonly string[]; folder: string; address: string },
): Promise<RunningPeer> {
  const url = `http://${address}`;
  const start = () => stage.serve(command, { folder, url: `${url}/v2/` });
  let service = await start();
  return {
    name,
    url,
    get pid() {
      return service.pid;
    },
    stop: () => service.stop(),
    async start() {
      service = await start();
    },
  };
}
