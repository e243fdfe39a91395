import type { WatchedStates } from '../../telemetry/states.ts';

/** The states that the status is made of. `/metrics` shows them, too. */
export type StatusStates = Required<
  Pick<
    WatchedStates,
    'isOffline' | 'cache' | 'disk' | 'uploads' | 'hosts' | 'jobs' | 'eventSinks' | 'replicas' | 'placements'
  >
> &
  Pick<WatchedStates, 'cluster' | 'facts' | 'policies'>;
