/** What an event for other systems says. It is kept as this value and takes a sink's format when it is sent (`replication/outbox/`). */
import type { Digest } from '../../../oci/digest.ts';

/** The request that changed something. All texts but the first come from the client: they are cut, and mean nothing here. */
export interface EventCause {
  /** Name of the principal. */
  readonly actor: string;
  readonly address: string;
  /** The Host header; empty without one. */
  readonly host: string;
  readonly isTls: boolean;
  readonly method: string;
  readonly userAgent: string;
}

/** Of what a command does: it comes from no client. */
export const commandCause: EventCause = {
  actor: 'command',
  address: '',
  host: '',
  isTls: false,
  method: 'DELETE',
  userAgent: '',
};

/** `kind` is an `EventKind` of the configuration. An image is `registry/repository`. */
export type OutboxEvent =
  /** A manifest was pushed: one event for each tag that it was pushed with, or one without a tag. */
  | {
      readonly kind: 'push';
      readonly image: string;
      readonly digest: Digest;
      readonly mediaType: string;
      /** Bytes. */
      readonly size: number;
      readonly tag?: string | undefined;
      readonly cause: EventCause;
    }
  /** A tag that was known here points to another manifest now: by a push, a sync, or since its registry said so. */
  | {
      readonly kind: 'tag';
      readonly image: string;
      readonly tag: string;
      readonly digest: Digest;
      readonly previous: Digest;
      readonly cause?: EventCause | undefined;
    }
  /** A client, or a purge of what is hosted, deleted a tag, or a manifest with its tags. */
  | {
      readonly kind: 'delete';
      readonly image: string;
      readonly tag?: string | undefined;
      readonly digest?: Digest | undefined;
      readonly cause: EventCause;
    }
  /** A run of a `[[sync]]` block has ended. The counts are tags. */
  | {
      readonly kind: 'synced';
      readonly sync: string;
      readonly state: string;
      readonly images: readonly string[];
      readonly done: number;
      readonly partial: number;
      readonly failed: number;
      readonly bytes: number;
      readonly seconds: number;
    }
  /** A stored content was found missing or altered. `images`: those that link it, 20 at most. */
  | {
      readonly kind: 'damaged';
      readonly digest: Digest;
      readonly images: readonly string[];
      readonly isHosted: boolean;
      readonly reason: string;
    }
  /** Content was refused for want of capacity. `quota`: its pattern; null: the whole cache, or the disk. */
  | {
      readonly kind: 'quota';
      readonly quota: string | null;
      readonly images: readonly string[];
      /** That were wanted. */
      readonly bytes: number;
    };

/** An event that is kept. */
export interface StoredEvent {
  /** By which receivers recognize a second delivery: a UUID. */
  readonly id: string;
  /** Epoch ms. */
  readonly at: number;
  readonly event: OutboxEvent;
}

/** The images that an event is about. */
export function imagesOf(event: OutboxEvent): readonly string[] {
  return 'image' in event ? [event.image] : event.images;
}

/** What the order of events is kept within: an image, or what an event is about that concerns no single one. */
export function laneOf(event: OutboxEvent): string {
  switch (event.kind) {
    case 'push':
    case 'tag':
    case 'delete':
      return event.image;
    case 'synced':
      return `sync ${event.sync}`;
    case 'damaged':
      return event.digest;
    case 'quota':
      return `quota ${event.quota ?? ''}`;
  }
}
