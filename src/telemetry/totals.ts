/** What the metrics have counted since the start, for parts of the program that show it. */
import type { createEventMetrics } from './event-metrics.ts';

export interface Totals {
  /** Answers to clients; labels as in `AnswerSeen`. */
  readonly answers: readonly Counted<'kind' | 'cache' | 'status'>[];
  /** Body bytes that were sent. */
  readonly sentBytes: number;
  /** Answers that ended before their last byte. */
  readonly incomplete: readonly Counted<'end'>[];
  readonly asked: readonly Counted<'host' | 'outcome'>[];
  /** Body bytes of blobs. */
  readonly received: readonly Counted<'host'>[];
  readonly faults: readonly Counted<'host' | 'fault'>[];
  /** The configuration that was read last is in force. */
  readonly configIsGood: boolean;
}

export type Counted<Label extends string> = Readonly<Record<Label, string>> & { readonly count: number };

interface Readable {
  get(): Promise<{
    readonly values: readonly {
      readonly labels: Partial<Record<string, string | number>>;
      readonly value: number;
    }[];
  }>;
}

/** Reads the counters; it changes nothing. */
export async function readTotals(events: ReturnType<typeof createEventMetrics>): Promise<Totals> {
  const sent = await countsOf(events.sentBytes, ['kind']);
  const good = await countsOf(events.configIsGood, []);
  return {
    answers: await countsOf(events.requests, ['kind', 'cache', 'status']),
    sentBytes: sent.reduce((sum, { count }) => sum + count, 0),
    incomplete: await countsOf(events.incomplete, ['end']),
    asked: await countsOf(events.upstreamRequests, ['host', 'outcome']),
    received: await countsOf(events.receivedBytes, ['host']),
    faults: await countsOf(events.upstreamFaults, ['host', 'fault']),
    configIsGood: good.every(({ count }) => count === 1),
  };
}

async function countsOf<const Label extends string>(
  metric: Readable,
  labels: readonly Label[],
): Promise<readonly Counted<Label>[]> {
  const { values } = await metric.get();
  return values.map(({ labels: texts, value }) => {
    const named = Object.fromEntries(labels.map((label) => [label, String(texts[label] ?? '')]));
    return { ...(named as Record<Label, string>), count: value };
  });
}
