/** Bytes over a socket as they are, for requests that no HTTP client would send. */
import { connect } from 'node:net';

/** Sends `text` and resolves with all that came back until the other side closed, or with what was there when `until` matched. */
export function raw(url: string, text: string | Uint8Array, until?: RegExp): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const received = () => Buffer.concat(parts).toString('latin1');
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.on('data', (part: Buffer) => {
      parts.push(part);
      if (until?.test(received())) socket.destroy();
    });
    socket.on('error', (error) => {
      if (parts.length === 0) reject(error);
    });
    socket.on('close', () => resolve(received()));
  });
}
