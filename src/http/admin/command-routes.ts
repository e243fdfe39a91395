/**
 * `POST /NAME` with a JSON object of arguments: what changes something, or holds something for the client. One JSON value comes back;
 * `pull`, `scrub`, `sync`, `export` and `backup` answer with a line of JSON for each step (`{"progress"}`) and one at the end
 * (`{"report"}` or `{"error"}`).
 */
import type { Context, Hono } from 'hono';
import type { Administration } from '../../admin/administration.ts';
import type { AdministeredEnv } from '../../admin/administrator.ts';
import type { Exports } from '../../airgap/export/export-request.ts';
import type { Imports } from '../../airgap/import/imports.ts';
import type { Backups } from '../../backup/backups.ts';
import { EntrepotError } from '../../errors.ts';
import { limitedRequest } from '../../lib/bytes/limited-request.ts';
import type { Syncs } from '../../replication/syncs.ts';
import type { Log } from '../../telemetry/log.ts';
import { createBackupSessions } from './backup-sessions.ts';
import { type LongAnswer, progressAnswer } from './command-answers.ts';
import { type Arguments, amount, optional, text, texts } from './command-arguments.ts';
import { createExportSessions } from './export-sessions.ts';

/** What the commands do. */
export type AdminCommands = Administration & Syncs & Exports & Imports & Backups;

/** Characters of a command's subject that are logged. */
const maxSubject = 300;
/** Bytes: more than any command line holds, and the digests of several receipts. */
const maxBody = 128 * 1024 * 1024;

/** Adds the routes. Errors go to the handler of `app`; `errorBody` makes the last line of a long answer of one. */
export function addCommands(
  app: Hono<AdministeredEnv>,
  administration: AdminCommands,
  { log, errorBody }: { readonly log: Pick<Log, 'info'>; readonly errorBody: (error: unknown) => object },
): void {
  const exportSessions = createExportSessions(administration);
  const backupSessions = createBackupSessions(administration);
  const values: Readonly<Record<string, (args: Arguments) => Promise<object>>> = {
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
    pin: ({ what }) => administration.pin(text(what)),
    unpin: ({ what }) => administration.unpin(text(what)),
    'token-create': ({ name, match, may, expires }) =>
      administration.tokens.create({
        name: text(name),
        match: texts(match),
        may: texts(may),
        expires: optional(expires),
      }),
    'token-revoke': ({ name }) => administration.tokens.revoke(text(name)),
    'export-written': async (args) => exportSessions.written(args),
    'backup-written': async (args) => backupSessions.written(args),
    'sync-plan': ({ names }) => administration.planSync(texts(names)),
    'jobs-retry': ({ id, all }) =>
      administration.jobs.retry(id === undefined ? (all === true ? 'all' : 'failed') : { id: amount(id) }),
    'jobs-cancel': ({ id }) => administration.jobs.cancel(amount(id)),
    'events-replay': ({ sink, since }) =>
      administration.events.replay(
        since === undefined ? { dead: true, sink: optional(sink) } : { sink: text(sink), since: text(since) },
      ),
    'replicas-resync': ({ match }) => administration.replicas.resync(optional(match)),
  };
  const streams: Readonly<Record<string, (args: Arguments, answer: LongAnswer) => Response>> = {
    pull({ reference, platforms }, answer) {
      const what = text(reference);
      const options = { platforms: texts(platforms) };
      // The pull goes on if the client leaves: the images are wanted in the cache all the same.
      return answer(
        (onProgress) => administration.pull(what, { ...options, onProgress }),
        ({ failures }) => failures.length === 0,
      );
    },
    scrub({ match, rate }, answer) {
      const what = optional(match);
      const options = { rate: rate === undefined ? undefined : amount(rate) };
      return answer((onProgress, signal) => administration.scrub(what, { ...options, onProgress, signal }));
    },
    backup: backupSessions.begin,
    'backup-list': backupSessions.list,
    'backup-blob': backupSessions.blob,
    export: exportSessions.begin,
    'export-volume': exportSessions.volume,
    sync({ names, allowsDelete, ignoresWindow }, answer) {
      const wanted = texts(names);
      const asked = { allowsDelete: allowsDelete === true, ignoresWindow: ignoresWindow === true };
      return answer(
        (onProgress, signal) => administration.sync(wanted, { ...asked, onProgress, signal }),
        (reports) => reports.every(({ state }) => state === 'done'),
      );
    },
  };

  async function begin(command: string, c: Context<AdministeredEnv>): Promise<Arguments> {
    const args = await readArguments(c.req.raw);
    const by = c.get('administrator').name;
    const about = subjectOf(args);
    c.set('about', about);
    log.info({ event: 'admin.command', command, by, about }, 'command');
    return args;
  }

  for (const [command, answer] of Object.entries(values))
    app.post(`/${command}`, async (c) => c.json(await answer(await begin(command, c))));
  for (const [command, answer] of Object.entries(streams))
    app.post(`/${command}`, async (c) =>
      answer(await begin(command, c), (work, isDone = () => true) => {
        const { promise, resolve } = Promise.withResolvers<boolean>();
        c.set('isDone', promise);
        return progressAnswer(work, errorBody, (report) => resolve(report !== undefined && isDone(report)));
      }),
    );
}

/** What a command is about, for the log. */
function subjectOf({ what, reference, match, name }: Arguments): string | undefined {
  const about = [what, reference, match, name].find((value) => typeof value === 'string');
  return about?.slice(0, maxSubject);
}

/** An error shows nothing of what the client sent: it may be a secret in the wrong place. */
async function readArguments(request: Request): Promise<Arguments> {
  const whole = await limitedRequest(request, maxBody);
  if (!whole) throw new EntrepotError('USAGE', `the arguments are longer than ${maxBody} bytes`);
  const body = await whole.text();
  try {
    const json: unknown = body === '' ? {} : JSON.parse(body);
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Arguments;
  } catch {
    // The error below says it.
  }
  throw new EntrepotError('USAGE', 'the arguments are no JSON object');
}
