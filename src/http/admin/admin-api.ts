/**
 * The commands, for whoever reaches the admin socket: `POST /NAME` with a JSON object of arguments, one JSON value back.
 * `pull` and `scrub` answer with a line of JSON for each step (`{"progress"}`) and one at the end (`{"report"}`, `{"error"}`).
 * `GET /healthz` is for a container's health check.
 */
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { Administration } from '../../admin/administration.ts';
import { EntrepotError } from '../../errors.ts';

export interface AdminApiDeps {
  readonly administration: Administration;
  readonly log: Record<'info' | 'error', (fields: object, message: string) => void>;
}

type Arguments = Readonly<Record<string, unknown>>;

/** Lines of progress that wait for a watcher who does not read; those that come then are left out. */
const mostWaiting = 1000;
/** Characters. */
const partLength = 64 * 1024;
/** Characters. */
const longestAbout = 300;
/** More than any command line holds. */
const maxBody = 4 * 1024 * 1024;

export function createAdminApi({ administration, log }: AdminApiDeps): Hono {
  const app = new Hono();
  const commands: Readonly<Record<string, (args: Arguments) => Promise<unknown>>> = {
    usage: () => administration.usage(),
    gc: () => administration.gc(),
    async purge({ what, pinned }) {
      const reports = await administration.purge(text(what), { pinned: pinned === true });
      for (const report of reports) log.info({ command: 'purge', ...report }, 'purged');
      return reports;
    },
    pins: () => administration.pins(),
    pin: ({ what }) => administration.pin(text(what)),
    unpin: ({ what }) => administration.unpin(text(what)),
  };

  // Before what logs: a container's health check asks every few seconds.
  app.get('/healthz', (c) => c.text('ok\n'));
  app.use(bodyLimit({ maxSize: maxBody }));
  app.use(async (c, next) => {
    log.info({ command: c.req.path.slice(1), ...(await named(c.req.raw.clone())) }, 'command');
    await next();
  });
  app.post('/list', async (c) => {
    const { match } = await readArguments(c.req.raw);
    return array(administration.list(match === undefined ? undefined : text(match)));
  });
  app.post('/pull', async (c) => {
    const { reference, platforms } = await readArguments(c.req.raw);
    const [what, options] = [text(reference), { platforms: texts(platforms) }];
    // The images are wanted in the cache, whoever watches.
    return lines((onProgress) => administration.pull(what, { ...options, onProgress }));
  });
  app.post('/scrub', async (c) => {
    const { match, rate } = await readArguments(c.req.raw);
    const what = match === undefined ? undefined : text(match);
    const options = { rate: rate === undefined ? undefined : amount(rate) };
    return lines((onProgress, signal) => administration.scrub(what, { ...options, onProgress, signal }));
  });
  for (const [name, command] of Object.entries(commands)) {
    app.post(`/${name}`, async (c) => c.json((await command(await readArguments(c.req.raw))) as object));
  }
  app.notFound((c) => c.json(errorBody(new EntrepotError('USAGE', `there is no ${c.req.path}`)), 404));
  app.onError((error, c) => c.json(errorBody(error), error instanceof EntrepotError ? 400 : 500));

  function errorBody(error: unknown): object {
    if (error instanceof EntrepotError) {
      const { code, message, file, line } = error;
      return { error: { code, message, file, line } };
    }
    log.error({ err: error }, 'a command failed');
    return { error: { message: String(error) } };
  }

  /** One JSON array, told while it is made: a hundred thousand items at once would make everybody wait. */
  function array(items: AsyncIterable<object>): Response {
    async function* parts(): AsyncGenerator<Uint8Array> {
      let part = '';
      let before = '[';
      try {
        for await (const item of items) {
          part += `${before}${JSON.stringify(item)}`;
          before = ',';
          if (part.length < partLength) continue;
          yield Buffer.from(part);
          part = '';
        }
      } catch (err) {
        log.error({ err }, 'a command failed');
        throw err;
      }
      yield Buffer.from(before === '[' ? '[]' : `${part}]`);
    }
    return new Response(ReadableStream.from(parts()), { headers: { 'content-type': 'application/json' } });
  }

  /** The signal is aborted when nobody watches any more. */
  function lines(
    work: (onProgress: (progress: object) => void, signal: AbortSignal) => Promise<object>,
  ): Response {
    const watching = new AbortController();
    const { signal } = watching;
    const body = new ReadableStream<Uint8Array>(
      {
        async start(controller) {
          const write = (line: object) => {
            if (!signal.aborted) controller.enqueue(Buffer.from(`${JSON.stringify(line)}\n`));
          };
          const onProgress = (progress: object) => {
            if ((controller.desiredSize ?? 0) > 0) write({ progress });
          };
          try {
            write({ report: await work(onProgress, signal) });
          } catch (error) {
            write(errorBody(error));
          }
          if (!signal.aborted) controller.close();
        },
        cancel: () => watching.abort(),
      },
      { highWaterMark: mostWaiting },
    );
    return new Response(body, { headers: { 'content-type': 'application/x-ndjson' } });
  }

  return app;
}

/** What a command is about, for the log. */
async function named(request: Request): Promise<object> {
  try {
    const { what, reference, match } = await readArguments(request);
    const about = [what, reference, match].find((value) => typeof value === 'string');
    return about === undefined ? {} : { about: about.slice(0, longestAbout) };
  } catch {
    return {};
  }
}

async function readArguments(request: Request): Promise<Arguments> {
  const body = await request.text();
  try {
    const json: unknown = body === '' ? {} : JSON.parse(body);
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Arguments;
  } catch {
    // Told below.
  }
  throw new EntrepotError('USAGE', 'the arguments are no JSON object');
}

function text(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new EntrepotError('USAGE', 'an argument is missing');
}

function amount(value: unknown): number {
  if (typeof value === 'number' && value > 0) return value;
  throw new EntrepotError('USAGE', 'an argument is no number above 0');
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(text) : [];
}
