/** A request that is refused while its body is on the way: the client gets the answer, and no reset before it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { basic, passwords, startGuarded } from '../support/access.ts';
import type { Cleanup } from '../support/temp-folder.ts';

const piece = Buffer.alloc(16 * 1024);

/** Sends the whole head and a part of the body, reads the answer to its end, and sends on for a while, as a client does that looks late. */
async function answerTo(url: string, request: string, headers: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text;
  });
  socket.write(`${request} HTTP/1.1\r\nHost: ${hostname}\r\nContent-Length: 8388608\r\n${headers}\r\n`);
  socket.write(piece);
  await once(socket, 'end');
  for (let sent = 0; sent < 40; sent += 1) await send(socket);
  socket.destroy();
  return answer;
}

function send(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.write(piece, (error) => {
      socket.off('error', reject);
      if (error) reject(error);
      else setImmediate(resolve);
    });
  });
}

describe('a body that is on its way', () => {
  const cleanups: (() => unknown)[] = [];
  const cleanup: Cleanup = { after: (work: () => unknown) => void cleanups.push(work) } as Cleanup;
  let url: string;
  before(async () => {
    ({
      proxy: { url },
    } = await startGuarded(cleanup));
  });
  after(async () => {
    for (const work of cleanups.reverse()) await work();
  });

  const ann = basic('ann', passwords.ann);
  const refusals: readonly (readonly [string, string, Record<string, string>, number])[] = [
    ['whose password is wrong', 'images.local/a', basic('ann', 'wrong'), 401],
    ['without an account', 'images.local/a', {}, 401],
    ['whose repository takes no pushes', 'ex.test/public/app', ann, 405],
  ];
  for (const [what, repository, { authorization }, status] of refusals) {
    it(`leaves the answer to a client ${what}`, async () => {
      const headers = authorization === undefined ? '' : `Authorization: ${authorization}\r\n`;
      const answer = await answerTo(url, `PATCH /v2/${repository}/blobs/uploads/x`, headers);
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.match(answer, /\r\nConnection: close\r\n/i);
      assert.match(answer, /"errors":\[/);
    });
  }
});
