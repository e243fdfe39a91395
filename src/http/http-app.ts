/**
 * The routes beside the distribution API (which is `registry-api.ts` and does not pass through Hono): health, metrics, what is mounted
 * for administrators (`admin/mounts.ts`), and a plain 404 for all else.
 */
import { Hono } from 'hono';
import type { AdministeredEnv } from '../admin/administrator.ts';
import type { Audit } from '../telemetry/audit/audit.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import {
  type AdministerDeps,
  createAdminister,
  createTypedCredentials,
  type Sessions,
} from './admin/administer.ts';
import { addMounts, type DeniedChange, type Mount } from './admin/mounts.ts';
import { createTokenApi, type TokenApiDeps } from './token-api.ts';

export interface HttpAppDeps extends TokenApiDeps, AdministerDeps {
  readonly metrics?: Metrics | undefined;
  /**
   * True once `stop()` was called: `/readyz` then answers 503 so that load balancers drain this server. Only keep-alive
   * connections can still send requests.
   */
  readonly isStopping: () => boolean;
  /** Why nothing can be cached: the data folder cannot be used. Undefined if it can. */
  readonly problem: () => string | undefined;
  /** `upstream.offline` is set. */
  readonly isOffline: () => boolean;
  /** For administrators: the admin API and the dashboard. */
  readonly mounts?: readonly Mount[] | undefined;
  /** Of browsers at the dashboard. */
  readonly sessions?: Sessions | undefined;
  readonly audit?: Audit | undefined;
  readonly log: Pick<Log, 'info' | 'error'>;
}

/** `/metrics` is 404 without metrics. */
export function createHttpApp(deps: HttpAppDeps): Hono<AdministeredEnv> {
  const { metrics, isStopping, problem, isOffline, mounts = [] } = deps;
  const app = new Hono<AdministeredEnv>();
  app.use(async (c, next) => {
    await next();
    c.header('X-Content-Type-Options', 'nosniff');
    // Assets of the dashboard are named by their content.
    if (!c.res.headers.has('Cache-Control')) c.header('Cache-Control', 'no-store');
  });
  app.get('/healthz', (c) => c.text('ok\n'));
  app.get('/readyz', (c) => {
    const reason = isStopping() ? 'stopping' : problem();
    if (reason !== undefined) return c.text(`${reason}\n`, 503);
    return c.text(isOffline() ? 'ready, offline: upstream.offline is set\n' : 'ready\n');
  });
  app.route('/', createTokenApi(deps));
  if (metrics) {
    app.get('/metrics', async (c) =>
      c.body(await metrics.render(), 200, { 'Content-Type': metrics.contentType }),
    );
  }
  addMounts(app, mounts, createAdminister(deps), createTypedCredentials(deps), deniedChange(deps));
  app.notFound((c) =>
    c.text(
      'Nothing here. Container runtimes are served under /v2/; see also /ui, /api/v1, /healthz, /readyz and /metrics.\n',
      404,
    ),
  );
  // Hono's own writes to stderr, beside the log.
  app.onError((err, c) => {
    deps.log.error({ event: 'http.failed', err, path: c.req.path }, 'a request could not be answered');
    return c.text('This request could not be answered. The log of the server says why.\n', 500);
  });
  return app;
}

/** Records that a client which may not administer wanted to change something. */
function deniedChange({ audit, addressOf }: HttpAppDeps): DeniedChange {
  return (incoming, path, name) => {
    if (incoming.method === 'GET' || incoming.method === 'HEAD') return;
    const client = addressOf(incoming);
    const principal = name === undefined ? undefined : { kind: 'principal', name };
    audit?.record({ action: 'change', outcome: 'denied', principal, client, command: path });
  };
}
