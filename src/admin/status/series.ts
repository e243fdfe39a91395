/** One sample a minute of what the metrics count, for the last 24 hours. */
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Sample } from './status.ts';

/** Counts since the start; a sample has what was added in its minute. */
export type Counts = Omit<Sample, 'time'>;

export interface Series {
  readonly samples: readonly Sample[];
  /** Takes the first sample in a minute. */
  start(): void;
  stop(): void;
}

export interface SeriesDeps {
  readonly clock: Clock;
  readonly read: () => Promise<Counts>;
  /** A minute could not be counted. */
  readonly onError: (error: unknown) => void;
}

const minute = 60_000;
const kept = 24 * 60;
const none: Counts = { requests: 0, hits: 0, errors: 0, bytesToClients: 0, bytesFromUpstreams: 0 };

/** Its timer is the only work that goes on while nothing looks. */
export function createSeries({ clock, read, onError }: SeriesDeps): Series {
  const samples: Sample[] = [];
  let before = none;
  let timer: Timer | undefined;

  async function take(): Promise<void> {
    const counts = await read();
    samples.push({
      time: new Date(clock.now()).toISOString(),
      requests: counts.requests - before.requests,
      hits: counts.hits - before.hits,
      errors: counts.errors - before.errors,
      bytesToClients: counts.bytesToClients - before.bytesToClients,
      bytesFromUpstreams: counts.bytesFromUpstreams - before.bytesFromUpstreams,
    });
    before = counts;
    if (samples.length > kept) samples.shift();
  }

  function arm(): void {
    timer = clock.after(minute, () => {
      arm();
      take().catch(onError);
    });
  }

  return { samples, start: arm, stop: () => timer?.cancel() };
}
