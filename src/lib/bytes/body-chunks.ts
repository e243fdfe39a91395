import type { PushedBody } from './pushed-body.ts';

/** Chunks that wait for their consumer before the body is paused. */
const mostWaiting = 8;

/** The chunks of a body, in order, for a consumer that may be slow. Throws an Error with the reason of a body that fails. */
export async function* bodyChunks(body: PushedBody): AsyncGenerator<Buffer> {
  const waiting: Buffer[] = [];
  let end: 'open' | 'ended' | Error = 'open';
  let wake = () => {};
  let isPaused = false;
  const settle = (how: typeof end) => {
    end = how;
    wake();
  };
  body.consume({
    data(chunk) {
      waiting.push(chunk);
      wake();
      isPaused = waiting.length >= mostWaiting;
      return !isPaused;
    },
    end: () => settle('ended'),
    fail: (reason) => settle(new Error(reason)),
  });
  try {
    for (;;) {
      const chunk = waiting.shift();
      if (chunk) {
        yield chunk;
        continue;
      }
      // The sink changes it in between.
      const how = end as 'open' | 'ended' | Error;
      if (how === 'ended') return;
      if (how !== 'open') throw how;
      if (isPaused) {
        isPaused = false;
        body.resume();
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    if (end === 'open') body.cancel();
  }
}
