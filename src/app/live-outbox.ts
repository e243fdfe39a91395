/** What sends events to the sinks of the configuration in force, put together. */
import { createEventCommands, type EventCommands } from '../admin/event-commands.ts';
import type { OutboxStore } from '../cache/index/outbox/outbox-store.ts';
import { readSecretFile } from '../config/credentials/secret-file.ts';
import type { EventSink } from '../config/event-sink.ts';
import type { Clock } from '../lib/clock.ts';
import { createDeliverer, type Deliverer } from '../replication/outbox/deliverer.ts';
import { createSendEvent } from '../replication/outbox/send-event.ts';
import type { Sinks } from '../replication/outbox/sinks.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { EventSinkState } from '../telemetry/states.ts';
import type { LiveRoutes } from './live-routes.ts';

export interface LiveOutbox extends Pick<Deliverer, 'start' | 'stop'> {
  readonly commands: EventCommands;
  /** Puts other sinks in force. */
  configure(sinks: readonly EventSink[]): void;
  /** Of the sinks in force, and of others that events still wait for. Rejects when the index cannot be read. */
  states(): Promise<readonly EventSinkState[]>;
}

export interface LiveOutboxDeps {
  readonly sinks: Sinks;
  readonly store: OutboxStore;
  readonly routes: LiveRoutes;
  readonly clock: Clock;
  readonly log: Pick<Log, 'debug' | 'warn' | 'error'>;
  readonly metrics: Pick<Metrics, 'eventTried'>;
  /** Of this start of the program. */
  readonly instance: string;
}

/** Nothing is sent before its `start`. */
export function createLiveOutbox(deps: LiveOutboxDeps): LiveOutbox {
  const { sinks, store, routes, clock, instance, metrics } = deps;
  const send = createSendEvent({
    post: (url, request) => routes.current.upstream.post(url, request),
    place() {
      const { publicUrl, listen } = routes.current.settings;
      return { publicUrl, address: `${listen.host}:${listen.port}`, instance };
    },
    readSecret: readSecretFile,
  });
  const deliverer = createDeliverer({ ...deps, send, random: Math.random, tried: metrics.eventTried });
  /** An alert sees an increase only from a sample that it has seen before. */
  function countFromZero(): void {
    for (const { name } of sinks.all)
      for (const outcome of ['delivered', 'failed', 'dead'] as const) metrics.eventTried(name, outcome, 0);
  }
  countFromZero();
  return {
    start: deliverer.start,
    stop: deliverer.stop,
    commands: createEventCommands({ outbox: store, clock, wants: sinks.wants }),
    configure(next) {
      sinks.configure(next);
      countFromZero();
      deliverer.changed();
    },
    async states() {
      const counts = new Map((await store.counts()).map((count) => [count.sink, count]));
      const names = new Set([...sinks.all.map(({ name }) => name), ...counts.keys()]);
      const [now, gone] = [clock.now(), deliverer.gone()];
      return [...names].map((sink) => {
        const { waiting = 0, dead = 0, oldest = now } = counts.get(sink) ?? {};
        return { sink, waiting, dead, oldest: Math.max(0, now - oldest) / 1000, isGone: gone.includes(sink) };
      });
    },
  };
}
