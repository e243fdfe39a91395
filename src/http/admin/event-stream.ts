/**
 * `GET /changes`: changes of the status as server-sent events (WHATWG HTML, section 9.2). The name of an event is the kind of its change,
 * its data the change as JSON. A comment every 15 seconds keeps proxies from closing a connection on which nothing changes.
 */
import type { Status, StatusChange } from '../../admin/status/status.ts';
import type { Clock, Timer } from '../../lib/clock.ts';

/** ms. */
const heartbeat = 15_000;
/** ms after which a browser connects again. */
const retry = 3000;

/** An answer that lasts until the signal aborts, the client leaves or the server stops. */
export function createEventStream(
  { changes }: Pick<Status, 'changes'>,
  clock: Clock,
): (signal: AbortSignal) => Response {
  /** Viewers get the same change, so it becomes text once. */
  const texts = new WeakMap<StatusChange, Uint8Array>();

  function textOf(change: StatusChange): Uint8Array {
    const known = texts.get(change);
    if (known) return known;
    const text = Buffer.from(`event: ${change.kind}\ndata: ${JSON.stringify(change)}\n\n`);
    texts.set(change, text);
    return text;
  }

  /** Gives `beat` where no change comes for a while. */
  async function* parts(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    yield Buffer.from(`retry: ${retry}\n\n`);
    const all = changes(signal)[Symbol.asyncIterator]();
    let next = all.next();
    try {
      for (;;) {
        const found = await orSilence(next, clock);
        if (found === undefined) {
          yield Buffer.from(':\n\n');
          continue;
        }
        if (found.done) return;
        next = all.next();
        yield textOf(found.value);
      }
    } finally {
      await all.return?.();
    }
  }

  return (signal) => {
    const left = new AbortController();
    const all = parts(AbortSignal.any([signal, left.signal]));
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const { done, value } = await all.next();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: () => left.abort(),
      },
      { highWaterMark: 0 },
    );
    const headers = { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' };
    return new Response(body, { headers });
  };
}

/** What `next` gives; undefined where it takes longer than a heartbeat. */
async function orSilence<T>(next: Promise<T>, clock: Clock): Promise<T | undefined> {
  let timer: Timer | undefined;
  const silence = new Promise<undefined>((resolve) => {
    timer = clock.after(heartbeat, () => resolve(undefined));
  });
  try {
    return await Promise.race([next, silence]);
  } finally {
    timer?.cancel();
  }
}
