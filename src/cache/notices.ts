/** Events about the cache itself, for the sinks that want them: damage that was found, and content that was refused. */
import type { Clock } from '../lib/clock.ts';
import type { DamagedNow } from './contents.ts';
import type { Catalogue } from './index/catalogue.ts';
import type { WantedBy } from './index/outbox/event-recorder.ts';
import { imagesOf, type OutboxEvent } from './index/outbox/outbox-event.ts';
import type { OutboxStore } from './index/outbox/outbox-store.ts';

export interface Notices {
  damaged(content: DamagedNow): void;
  /** Bytes for these images were refused, for want of this quota or of the whole cache. Told once a minute for each quota. */
  refused(bytes: number, quota: string | undefined, images: readonly string[]): void;
  /** Adds an event of another part. Never rejects. */
  tell(event: OutboxEvent): Promise<void>;
}

export interface NoticesDeps {
  readonly catalogue: Pick<Catalogue, 'imagesOf'>;
  readonly outbox: Pick<OutboxStore, 'add'>;
  readonly wantedBy: WantedBy;
  readonly clock: Clock;
  /** The index could not be read or written. */
  readonly onError: (error: unknown) => void;
}

const maxImages = 20;
/** ms: while the cache is full, each request is refused. */
const refusalRest = 60_000;

/** Where no sink wants an event, nothing is read. */
export function createNotices(deps: NoticesDeps): Notices {
  const { catalogue, outbox, wantedBy, clock, onError } = deps;
  /** By quota, of the configuration: there are few. Monotonic ms. */
  const lastRefusals = new Map<string | undefined, number>();

  async function tell(event: OutboxEvent): Promise<void> {
    const sinks = wantedBy(event.kind, imagesOf(event));
    if (sinks.length > 0) await outbox.add(event, sinks, clock.now()).catch(onError);
  }

  async function tellDamage({ digest, reason, isHosted }: DamagedNow): Promise<void> {
    const images = await catalogue.imagesOf(digest);
    await tell({ kind: 'damaged', digest, reason, isHosted, images: images.slice(0, maxImages) });
  }

  return {
    tell,
    damaged(content) {
      if (wantedBy('damaged', []).length > 0) void tellDamage(content).catch(onError);
    },
    refused(bytes, quota, images) {
      if (wantedBy('quota', images).length === 0) return;
      const now = clock.monotonic();
      if (now - (lastRefusals.get(quota) ?? Number.NEGATIVE_INFINITY) < refusalRest) return;
      lastRefusals.set(quota, now);
      void tell({ kind: 'quota', quota: quota ?? null, images: images.slice(0, maxImages), bytes });
    },
  };
}
