/**
 * The commands of `Administration` over HTTP: `POST /NAME` with a JSON object of arguments, one JSON value back. `pull`,
 * `scrub` and `sync` answer with a line of JSON for each step (`{"progress"}`) and one at the end (`{"report"}` or `{"error"}`).
 *
 * The app can be mounted at any path. It asks for no proof of identity: the server that mounts it decides which clients
 * reach it.
 */

import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { Administration } from '../../admin/administration.ts';
import type { Exports } from '../../airgap/export/export-request.ts';
import type { Imports } from '../../airgap/import/imports.ts';
import type { Backups } from '../../backup/backups.ts';
import { EntrepotError } from '../../errors.ts';
import type { Syncs } from '../../replication/syncs.ts';
import type { Log } from '../../telemetry/log.ts';
import { createBackupSessions } from './backup-sessions.ts';
import { arrayAnswer, progressAnswer } from './command-answers.ts';
import { type Arguments, amount, optional, text, texts } from './command-arguments.ts';
import { createExportSessions } from './export-sessions.ts';
import { addImport } from './import-api.ts';

export interface AdminApiOptions {
  readonly log: Pick<Log, 'info' | 'error'>;
}

/** Characters of a command's subject that are logged. */
const maxSubject = 300;
/** Bytes: more than any command line holds, and the digests of several receipts. */
const maxBody = 128 * 1024 * 1024;

/** Errors are `{"error": {"code", "message", "file", "line"}}` with 400, or 500 for a bug, which is logged. */
export function createAdminApi(
  administration: Administration & Syncs & Exports & Imports & Backups,
  { log }: AdminApiOptions,
): Hono {
  const { errorBody, logFailed } = createFailures(log);
  const exportSessions = createExportSessions(administration, errorBody);
  const backupSessions = createBackupSessions(administration, errorBody);
  const values: Readonly<Record<string, (args: Arguments) => Promise<object>>> = {
    usage: () => administration.usage(),
    gc: () => administration.gc(),
    async purge({ what, pinned, hosted }) {
      const reports = await administration.purge(text(what), {
        pinned: pinned === true,
        hosted: hosted === true,
      });
      for (const report of reports)
        log.info({ event: 'admin.purged', command: 'purge', ...report }, 'purged');
      return reports;
    },
    pins: () => administration.pins(),
    pin: ({ what }) => administration.pin(text(what)),
    unpin: ({ what }) => administration.unpin(text(what)),
    'token-create': ({ name, match, may, expires }) =>
      administration.tokens.create({
        name: text(name),
        match: texts(match),
        may: texts(may),
        expires: optional(expires),
      }),
    'token-list': () => administration.tokens.list(),
    'token-revoke': ({ name }) => administration.tokens.revoke(text(name)),
    'export-written': async (args) => exportSessions.written(args),
    'backup-written': async (args) => backupSessions.written(args),
    'sync-plan': ({ names }) => administration.planSync(texts(names)),
    'jobs-show': ({ id }) => administration.jobs.show(amount(id)),
    'jobs-retry': ({ id, all }) =>
      administration.jobs.retry(id === undefined ? (all === true ? 'all' : 'failed') : { id: amount(id) }),
    'jobs-cancel': ({ id }) => administration.jobs.cancel(amount(id)),
    'events-replay': ({ sink, since }) =>
      administration.events.replay(
        since === undefined ? { dead: true, sink: optional(sink) } : { sink: text(sink), since: text(since) },
      ),
    'replicas-resync': ({ match }) => administration.replicas.resync(optional(match)),
  };
  const streams: Readonly<Record<string, (args: Arguments) => Response>> = {
    list({ match }) {
      return arrayAnswer(administration.list(optional(match)), logFailed);
    },
    'jobs-list'({ state, kind }) {
      const selection = { state: optional(state), kind: optional(kind) };
      return arrayAnswer(administration.jobs.list(selection), logFailed);
    },
    'events-list': ({ sink, dead }) =>
      arrayAnswer(administration.events.list({ sink: optional(sink), dead: dead === true }), logFailed),
    'replicas-repositories': ({ match, state }) => {
      const selection = { match: optional(match), state: optional(state) };
      return arrayAnswer(administration.replicas.repositories(selection), logFailed);
    },
    'replicas-tags': ({ match, state }) => {
      const selection = { match: optional(match), state: optional(state) };
      return arrayAnswer(administration.replicas.tags(selection), logFailed);
    },
    pull({ reference, platforms }) {
      const what = text(reference);
      const options = { platforms: texts(platforms) };
      // The pull goes on if the client leaves: the images are wanted in the cache all the same.
      return progressAnswer((onProgress) => administration.pull(what, { ...options, onProgress }), errorBody);
    },
    scrub({ match, rate }) {
      const what = optional(match);
      const options = { rate: rate === undefined ? undefined : amount(rate) };
      return progressAnswer(
        (onProgress, signal) => administration.scrub(what, { ...options, onProgress, signal }),
        errorBody,
      );
    },
    backup: backupSessions.begin,
    'backup-list': backupSessions.list,
    'backup-blob': backupSessions.blob,
    export: exportSessions.begin,
    'export-volume': exportSessions.volume,
    sync({ names, allowsDelete, ignoresWindow }) {
      const wanted = texts(names);
      const asked = { allowsDelete: allowsDelete === true, ignoresWindow: ignoresWindow === true };
      return progressAnswer(
        (onProgress, signal) => administration.sync(wanted, { ...asked, onProgress, signal }),
        errorBody,
      );
    },
  };

  const app = new Hono();
  // Before the limit of bodies: this one is an archive.
  addImport(app, administration, log);
  app.use(bodyLimit({ maxSize: maxBody }));
  for (const [command, answer] of Object.entries(values)) {
    app.post(`/${command}`, async (c) => c.json(await answer(await begin(command, c.req.raw))));
  }
  for (const [command, answer] of Object.entries(streams)) {
    app.post(`/${command}`, async (c) => answer(await begin(command, c.req.raw)));
  }
  app.all('*', (c) => c.json(errorBody(new EntrepotError('USAGE', `there is no ${c.req.path}`)), 404));
  app.onError((error, c) => c.json(errorBody(error), error instanceof EntrepotError ? 400 : 500));

  async function begin(command: string, request: Request): Promise<Arguments> {
    const args = await readArguments(request);
    log.info({ event: 'admin.command', command, ...subjectOf(args) }, 'command');
    return args;
  }

  return app;
}

/** What a client gets for an error. One that is a bug is logged. */
function createFailures(log: Pick<Log, 'error'>) {
  function errorBody(error: unknown): object {
    if (error instanceof EntrepotError) {
      const { code, message, file, line } = error;
      return { error: { code, message, file, line } };
    }
    logFailed(error);
    return { error: { message: String(error) } };
  }

  function logFailed(err: unknown): void {
    log.error({ event: 'admin.failed', err }, 'a command failed');
  }

  return { errorBody, logFailed };
}

/** What a command is about, for the log. */
function subjectOf({ what, reference, match, name }: Arguments): object {
  const about = [what, reference, match, name].find((value) => typeof value === 'string');
  return about === undefined ? {} : { about: about.slice(0, maxSubject) };
}

async function readArguments(request: Request): Promise<Arguments> {
  const body = await request.text();
  try {
    const json: unknown = body === '' ? {} : JSON.parse(body);
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Arguments;
  } catch {
    // The error below says it.
  }
  throw new EntrepotError('USAGE', 'the arguments are no JSON object');
}
