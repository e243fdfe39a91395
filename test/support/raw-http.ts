/** Bytes over a socket as they are, for requests that no HTTP client would send. */
import { connect } from 'node:net';

/**
 * Sends `text` and resolves with all that came back until the other side closed, or with what was there when `until` matched. With
 * `rest`, that match sends the rest in place of an end.
 */
export function raw(
  url: string,
  text: string | Uint8Array,
  until?: RegExp,
  rest?: string | Uint8Array,
): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let left = rest;
    const received = () => Buffer.concat(parts).toString('latin1');
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.on('data', (part: Buffer) => {
      parts.push(part);
      if (!until?.test(received())) return;
      if (rest === undefined) socket.destroy();
      else if (left !== undefined) socket.write(left);
      left = undefined;
    });
    socket.on('error', (error) => {
      if (parts.length === 0) reject(error);
    });
    socket.on('close', () => resolve(received()));
  });
}
