/**
 * `GET /NAME`: what can be looked at. Arguments are in the query. `images`, `jobs`, `events`, `replicas` and `repositories` may be long, so
 * they are sent while they are made.
 */
import type { Hono } from 'hono';
import type { Administration } from '../../admin/administration.ts';
import type { AdministeredEnv } from '../../admin/administrator.ts';
import type { ConfigInForce } from '../../admin/config-in-force.ts';
import type { Status } from '../../admin/status/status.ts';
import type { Clock } from '../../lib/clock.ts';
import { arrayAnswer } from './command-answers.ts';
import { type Arguments, optional, text, wholeNumber } from './command-arguments.ts';
import { createEventStream } from './event-stream.ts';

export interface ReadDeps {
  readonly administration: Administration;
  readonly status: Status;
  readonly config: ConfigInForce;
  readonly clock: Clock;
}

/** What `evictions` shows without `limit`. */
const usualEvictions = 50;

/** Adds the routes. Errors go to the handler of `app`; `logFailed` gets that of an array which is broken off. */
export function addReads(
  app: Hono<AdministeredEnv>,
  deps: ReadDeps,
  logFailed: (err: unknown) => void,
): void {
  const { administration, status, config, clock } = deps;
  const values: Readonly<Record<string, (args: Arguments) => object | Promise<object>>> = {
    status: async () => ({ conditions: await status.conditions() }),
    overview: () => status.overview(),
    series: () => status.series(),
    transfers: () => status.transfers(),
    endpoints: () => status.endpoints(),
    requests: ({ text: wanted, failed, limit }) =>
      status.recent({ text: optional(wanted), failed: failed === 'true', limit: wholeNumber(limit) }),
    usage: () => administration.usage(),
    image: ({ reference }) => administration.image(text(reference)),
    evictions: ({ limit }) => administration.evictions(wholeNumber(limit) ?? usualEvictions),
    pins: () => administration.pins(),
    tokens: () => administration.tokens.list(),
    config: () => config.show(),
    explain: ({ reference, as }) => config.explain(text(reference), optional(as)),
  };
  const arrays: Readonly<Record<string, (args: Arguments) => AsyncIterable<object>>> = {
    images: ({ match }) => administration.list(optional(match)),
    jobs: ({ state, kind }) => administration.jobs.list({ state: optional(state), kind: optional(kind) }),
    events: ({ sink, dead }) => administration.events.list({ sink: optional(sink), dead: dead === 'true' }),
    replicas: ({ match, state }) =>
      administration.replicas.tags({ match: optional(match), state: optional(state) }),
    repositories: ({ match, state }) =>
      administration.replicas.repositories({ match: optional(match), state: optional(state) }),
  };
  const stream = createEventStream(status, clock);

  for (const [name, read] of Object.entries(values))
    app.get(`/${name}`, async (c) => c.json(await read(c.req.query())));
  for (const [name, read] of Object.entries(arrays))
    app.get(`/${name}`, (c) => arrayAnswer(read(c.req.query()), logFailed));
  app.get('/jobs/:id', async (c) =>
    c.json(await administration.jobs.show(wholeNumber(c.req.param('id')) ?? 0)),
  );
  app.get('/changes', (c) => stream(c.req.raw.signal));
  app.get('/openapi.json', async (c) => c.json(await readDocument()));
}

/** Loaded when it is asked for. */
async function readDocument(): Promise<object> {
  const { default: document } = await import('./openapi.json', { with: { type: 'json' } });
  return document;
}
