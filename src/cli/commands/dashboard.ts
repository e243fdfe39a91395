/**
 * `entrepot dashboard`: an address that signs a browser in at the dashboard. The server of the data folder makes its code, over the admin
 * socket: a user that can open the socket may do everything there anyway. The code works once, and for a minute.
 */
import { adminSocket } from '../../config/admin-socket.ts';
import type { ServerConfig } from '../../config/config.ts';
import { type LoadOptions, loadWhatIsRight } from '../../config/load.ts';
import { EntrepotError } from '../../errors.ts';
import type { Result } from '../output/result.ts';
import { answerTo, connectSocket, jsonOf } from '../server-connection.ts';
import { unknownFolder } from '../unknown-folder.ts';

interface MadeCode {
  readonly code: string;
  /** Null before the server listens. */
  readonly at: ServerConfig['listen'] | null;
}

/** `base`: where the browser reaches the server, such as `https://mirror.corp`. Throws EntrepotError where no server runs. */
export async function dashboard(base: string | undefined, options: LoadOptions): Promise<Result> {
  const found = loadWhatIsRight(options);
  const { server } = found;
  const socket = adminSocket(server.data);
  const named = base === undefined ? undefined : readBase(base);
  const connection = await connectSocket(socket);
  if (!connection && found.isDataUnknown) throw unknownFolder(found);
  if (!connection) {
    const message =
      'no server runs on this data folder: start it with "entrepot serve", or name its folder with --data';
    throw new EntrepotError('DATA_UNUSABLE', message, { file: server.data });
  }
  const asked = connection.request({ method: 'POST', path: 'dashboard-code' });
  asked.end();
  const made = (await jsonOf(await answerTo(asked), connection.name)) as MadeCode;
  const url = named ?? ownUrl(made.at ?? server.listen, server.tls);
  const address = `${url}/ui/sign-in?code=${made.code}`;
  return {
    exitCode: 0,
    json: { url: address, seconds: 60 },
    text: `${address}\n\nOpen this address in a browser within a minute. It works once.\n`,
  };
}

/** The address that the server listens on, as a browser on this machine reaches it. */
function ownUrl({ host, port }: ServerConfig['listen'], tls: ServerConfig['tls']): string {
  const reached = host === '0.0.0.0' || host === '' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const written = reached.includes(':') ? `[${reached}]` : reached;
  return `${tls.certificate === undefined ? 'http' : 'https'}://${written}:${port}`;
}

function readBase(text: string): string {
  if (/^https?:$/.test(URL.canParse(text) ? new URL(text).protocol : '')) return text.replace(/\/+$/, '');
  throw new EntrepotError(
    'USAGE',
    `--url must be a URL such as https://mirror.corp, not ${JSON.stringify(text)}`,
  );
}
