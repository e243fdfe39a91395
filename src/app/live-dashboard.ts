/** The dashboard and its sessions. They are there from the start, since the admin API counts them, too; pages are loaded when asked for. */
import type { Access } from '../access/access.ts';
import { createConfigEditor } from '../admin/config-editor.ts';
import type { Status } from '../admin/status/status.ts';
import { createMount, type DashboardMount } from '../dashboard/mount.ts';
import { createSessions, type Sessions } from '../dashboard/sessions.ts';
import type { Clock } from '../lib/clock.ts';
import type { Audit } from '../telemetry/audit/audit.ts';
import type { Log } from '../telemetry/log.ts';
import type { AppDeps } from './app-deps.ts';
import type { Commands } from './commands.ts';
import type { LiveAccess } from './live-access.ts';
import type { LiveRoutes } from './live-routes.ts';

export interface LiveDashboardDeps {
  readonly configuration: AppDeps['configuration'] | undefined;
  readonly status: Status;
  readonly commands: Commands;
  readonly access: Pick<LiveAccess, 'current'>;
  readonly routes: Pick<LiveRoutes, 'current'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'error'>;
  readonly audit: Audit;
}

export interface LiveDashboard {
  readonly mount: DashboardMount;
  readonly sessions: Sessions;
}

/** Contacts no host and reads no file before the first request. */
export function createLiveDashboard(deps: LiveDashboardDeps): LiveDashboard {
  const { configuration, routes, ...same } = deps;
  const access = (): Access => deps.access.current;
  const sessions = createSessions({
    clock: deps.clock,
    printOf: (principal) => access().printOf(principal),
  });
  const mount = createMount(async () => {
    const { createDashboard } = await import('../dashboard/dashboard.ts');
    const editor = configuration && createConfigEditor(configuration);
    return createDashboard({ ...same, sessions, access, config: () => routes.current.config, editor });
  });
  return { mount, sessions };
}
