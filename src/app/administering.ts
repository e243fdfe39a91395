/** What administrators reach: the admin API, on the admin socket and beside the distribution API, and the dashboard. */
import { createConfigInForce } from '../admin/config-in-force.ts';
import { adminSocket } from '../config/admin-socket.ts';
import type { Sessions } from '../dashboard/sessions.ts';
import { apiMount, createAdminApi } from '../http/admin/admin-api.ts';
import { type AdminServer, createAdminServer } from '../http/admin/admin-server.ts';
import type { Mount } from '../http/admin/mounts.ts';
import type { Log } from '../telemetry/log.ts';
import type { Commands } from './commands.ts';
import { createLiveDashboard, type LiveDashboardDeps } from './live-dashboard.ts';

export interface AdministeringDeps extends Omit<LiveDashboardDeps, 'commands'> {
  readonly administration: Commands;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
}

export interface Administering {
  readonly adminServer: AdminServer;
  /** For `createServer`. */
  readonly mounts: readonly Mount[];
  readonly sessions: Sessions;
}

/** `data`: the data folder. Nothing listens before `adminServer.start`. */
export function createAdministering(deps: AdministeringDeps, data: string): Administering {
  const { routes, clock, log } = deps;
  const config = createConfigInForce(() => routes.current.config, clock);
  const api = createAdminApi({ ...deps, config });
  const dashboard = createLiveDashboard({ ...deps, commands: deps.administration });
  return {
    adminServer: createAdminServer({ api, log, codes: dashboard.sessions }, { path: adminSocket(data) }),
    mounts: [apiMount(api), dashboard.mount],
    sessions: dashboard.sessions,
  };
}
