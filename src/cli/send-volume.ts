/** Sends an archive to a running server. `http/admin/import-api.ts` is the other end. */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { ServerConnection } from './server-connection.ts';

/**
 * Resolves with the answer, which may come before the body is sent: then the rest is not read. Rejects with what `bytes` fails with, or
 * the connection.
 */
export function sendVolume(
  connection: ServerConnection,
  options: { readonly file: string; readonly name: string | undefined; readonly cached: boolean | undefined },
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const path = `import?options=${encodeURIComponent(JSON.stringify(options))}`;
    const headers = { 'content-type': 'application/x-tar', 'transfer-encoding': 'chunked' };
    const asked = connection.request({ method: 'POST', path, headers, signal });
    const body = Readable.from(bytes, { objectMode: false });
    asked.on('response', (answer) => {
      body.unpipe(asked);
      body.destroy();
      resolve(answer);
    });
    asked.on('error', reject);
    body.on('error', (error) => {
      asked.destroy();
      reject(error);
    });
    body.pipe(asked);
  });
}
