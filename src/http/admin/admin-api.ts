/**
 * The admin API, `/api/v1` (docs/api.md, src/http/admin/openapi.json): `GET` looks, `POST` changes. It is mounted twice:
 *
 *   admin-server.ts   the admin socket, whose file mode lets in the user of the server alone
 *   mounts.ts         the public server, behind the check of `administer`
 *
 * So the app itself asks for no proof of identity: what mounts it sets `administrator`.
 */
import { Hono } from 'hono';
import { type AdministeredEnv, auditedBy } from '../../admin/administrator.ts';
import { EntrepotError, type ErrorCode } from '../../errors.ts';
import type { Audit } from '../../telemetry/audit/audit.ts';
import type { Log } from '../../telemetry/log.ts';
import { type AdminCommands, addCommands } from './command-routes.ts';
import { addImport } from './import-api.ts';
import type { Mount } from './mounts.ts';
import { addReads, type ReadDeps } from './read-routes.ts';

export interface AdminApiDeps extends ReadDeps {
  readonly administration: AdminCommands;
  readonly log: Pick<Log, 'info' | 'error'>;
  readonly audit?: Audit | undefined;
}

/** Where both servers mount it. */
export const apiPath = '/api/v1';

/** Errors are `{"error": {"code", "message", "file", "line"}}` with 400, 404 or 503, or 500 for a bug, which is logged. */
export function createAdminApi(deps: AdminApiDeps): Hono<AdministeredEnv> {
  const { administration, log, audit } = deps;
  const { errorBody, logFailed } = createFailures(log);
  const app = new Hono<AdministeredEnv>();
  app.use(async (c, next) => {
    await next();
    if (c.req.method !== 'POST') return;
    const entry = {
      ...auditedBy(c.get('administrator')),
      command: c.req.path.slice(c.req.path.lastIndexOf('/') + 1),
      about: c.get('about'),
    };
    const record = (isDone: boolean) => audit?.record({ ...entry, outcome: isDone ? 'done' : 'failed' });
    const isDone = c.get('isDone');
    if (isDone) void isDone.then(record);
    else record(c.res.ok);
  });
  addReads(app, deps, logFailed);
  addImport(app, administration, log);
  addCommands(app, administration, { log, errorBody });
  app.all('*', (c) => c.json(errorBody(new EntrepotError('USAGE', `there is no ${c.req.path}`)), 404));
  app.onError((error, c) => c.json(errorBody(error), statusOf(error)));
  return app;
}

/** For the public server. */
export function apiMount(app: Hono<AdministeredEnv>): Mount {
  return {
    path: apiPath,
    app,
    refused: ({ status, message }, c) => c.json({ error: { code: 'DENIED', message } }, status),
  };
}

const statuses: Partial<Record<ErrorCode, 404 | 503>> = { NOT_CACHED: 404, BUSY: 503 };

function statusOf(error: unknown): 400 | 404 | 500 | 503 {
  return error instanceof EntrepotError ? (statuses[error.code] ?? 400) : 500;
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
