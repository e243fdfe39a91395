/** `GET /ui/changes?kinds=A+B`: server-sent events with the name of each kind of change, of those that the page follows. */
import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { Status } from '../admin/status/status.ts';
import { EntrepotError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';

/** What the script listens to. */
const changeEvent = 'change';

export interface ChangeStreamDeps {
  readonly status: Pick<Status, 'changes'>;
  readonly log: Pick<Log, 'error'>;
}

/** The handler of the route. */
export function changeStream({ status, log }: ChangeStreamDeps): (c: Context) => Response {
  return (c) => {
    // Nothing would read a body, and so nothing would end it.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'Content-Type': 'text/event-stream' });
    const kinds = new Set(c.req.query('kinds')?.split(' '));
    return streamSSE(
      c,
      async (stream) => {
        const left = new AbortController();
        stream.onAbort(() => left.abort());
        for await (const { kind } of status.changes(left.signal)) {
          if (kinds.has(kind)) await stream.writeSSE({ event: changeEvent, data: kind });
        }
      },
      // Too many viewers: the stream ends at once, and the browser asks again.
      async (err) => {
        if (!(err instanceof EntrepotError))
          log.error({ event: 'dashboard.streamFailed', err }, 'a stream of changes broke off');
      },
    );
  };
}
