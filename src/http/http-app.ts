/**
 * What this server answers beside the distribution API, which does not pass through here (`registry-api.ts`): health,
 * metrics, and a plain 404 for all else. A dashboard mounts its routes on the app.
 */
import { Hono } from 'hono';
import type { Metrics } from '../telemetry/metrics.ts';

export interface HttpAppDeps {
  readonly metrics?: Metrics | undefined;
  /** Then requests, which only connections from before can still bring, should go elsewhere. */
  readonly isStopping: () => boolean;
  /** Why nothing can be cached, for want of a usable data folder. */
  readonly problem: () => string | undefined;
}

export function createHttpApp(deps: HttpAppDeps): Hono {
  const { metrics, isStopping, problem } = deps;
  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    c.header('X-Content-Type-Options', 'nosniff');
    c.header('Cache-Control', 'no-store');
  });
  app.get('/healthz', (c) => c.text('ok\n'));
  app.get('/readyz', (c) => {
    const reason = isStopping() ? 'stopping' : problem();
    return reason === undefined ? c.text('ready\n') : c.text(`${reason}\n`, 503);
  });
  if (metrics) {
    app.get('/metrics', async (c) =>
      c.body(await metrics.render(), 200, { 'Content-Type': metrics.contentType }),
    );
  }
  app.notFound((c) =>
    c.text(
      'Nothing here. Container runtimes are served under /v2/; see also /healthz, /readyz and /metrics.\n',
      404,
    ),
  );
  return app;
}
