/**
 * Tells viewers what changes. One producer looks once a second while there is a viewer, whatever their number; parts that need an index
 * or a database are looked at every fifth time. A viewer keeps the newest change of each kind until it takes it, so a slow one costs
 * no more memory than a fast one.
 */
import { EntrepotError } from '../../errors.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import type { RecentRequests } from './recent-requests.ts';
import type { RequestSummary, Sample, Status, StatusChange } from './status.ts';

export interface StatusChanges {
  readonly watch: Status['changes'];
  /** Ends all of them; further ones end at once. */
  stop(): void;
}

export interface StatusChangesDeps
  extends Pick<Status, 'transfers' | 'endpoints' | 'overview' | 'conditions'> {
  readonly clock: Clock;
  readonly log: Pick<Log, 'error'>;
  readonly recent: Pick<RecentRequests, 'count' | 'list'>;
  readonly samples: readonly Sample[];
}

type Kind = StatusChange['kind'];

interface Viewer {
  put(change: StatusChange): void;
  end(): void;
}

/** ms between two looks. */
const interval = 1000;
/** Looks between two at what needs an index or a database. */
const slowEvery = 5;
const maxViewers = 500;
/** ms after which a viewer has to come again: its right is judged at its request alone. */
const maxView = 300_000;
/** Requests of one change. */
const maxRequests = 100;

/** Nothing is looked at before the first viewer comes, and after the last one has gone. */
export function createStatusChanges(deps: StatusChangesDeps): StatusChanges {
  const { clock, log, recent, samples } = deps;
  const viewers = new Set<Viewer>();
  /** The last change of each kind, and its text. */
  const last = new Map<Kind, { readonly change: StatusChange; readonly text: string }>();
  let requests = 0;
  let looks = 0;
  let timer: Timer | undefined;
  let isStopped = false;

  function tell(change: StatusChange): void {
    const text = JSON.stringify(change);
    if (last.get(change.kind)?.text === text) return;
    last.set(change.kind, { change, text });
    for (const viewer of viewers) viewer.put(change);
  }

  function tellRequests(): void {
    const added = recent.count - requests;
    requests = recent.count;
    if (added === 0) return;
    const change = {
      kind: 'requests',
      requests: recent.list({ limit: Math.min(added, maxRequests) }),
    } as const;
    for (const viewer of viewers) viewer.put(change);
  }

  async function look(): Promise<void> {
    tellRequests();
    tell({ kind: 'transfers', transfers: deps.transfers() });
    tell({ kind: 'endpoints', endpoints: await deps.endpoints() });
    const sample = samples.at(-1);
    if (sample) tell({ kind: 'sample', sample });
    looks += 1;
    if (looks % slowEvery !== 1) return;
    tell({ kind: 'overview', overview: await deps.overview() });
    tell({ kind: 'conditions', conditions: await deps.conditions() });
  }

  async function goOn(): Promise<void> {
    // Not before the look is over: a database may take its time.
    await look().catch((err) => log.error({ event: 'status.lookFailed', err }, 'a state could not be read'));
    if (viewers.size === 0 || isStopped) timer = undefined;
    else timer = clock.after(interval, () => void goOn());
  }

  function begin(): void {
    if (timer) return;
    last.clear();
    looks = 0;
    timer = { cancel() {} };
    void goOn();
  }

  async function* watch(signal: AbortSignal): AsyncGenerator<StatusChange> {
    if (isStopped || signal.aborted) return;
    if (viewers.size >= maxViewers)
      throw new EntrepotError('BUSY', `${maxViewers} viewers look at this server already`);
    const waiting = createWaiting();
    const onAbort = () => waiting.end();
    signal.addEventListener('abort', onAbort, { once: true });
    // What the others get now is in the first change of this one.
    tellRequests();
    waiting.put({ kind: 'requests', requests: recent.list({ limit: maxRequests }) });
    for (const { change } of last.values()) waiting.put(change);
    viewers.add(waiting);
    begin();
    const end = clock.after(maxView, onAbort);
    try {
      yield* waiting.taken();
    } finally {
      end.cancel();
      viewers.delete(waiting);
      signal.removeEventListener('abort', onAbort);
    }
  }

  return {
    watch,
    stop() {
      isStopped = true;
      timer?.cancel();
      for (const viewer of viewers) viewer.end();
    },
  };
}

/** What one viewer has not taken yet. */
function createWaiting(): Viewer & { taken(): AsyncGenerator<StatusChange> } {
  const pending = new Map<Kind, StatusChange>();
  let wake: (() => void) | undefined;
  let isOver = false;

  return {
    put(change) {
      const before = pending.get(change.kind);
      pending.set(change.kind, before ? merged(before, change) : change);
      wake?.();
    },
    end() {
      isOver = true;
      wake?.();
    },
    async *taken() {
      for (;;) {
        const [first] = pending.values();
        if (isOver) return;
        if (first) {
          pending.delete(first.kind);
          yield first;
          continue;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = undefined;
      }
    },
  };
}

/** Requests add up; of all else, the newest counts. */
function merged(before: StatusChange, change: StatusChange): StatusChange {
  if (before.kind !== 'requests' || change.kind !== 'requests') return change;
  const requests: readonly RequestSummary[] = [...change.requests, ...before.requests];
  return { kind: 'requests', requests: requests.slice(0, maxRequests) };
}
