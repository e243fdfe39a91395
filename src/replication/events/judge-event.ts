/**
 * What is believed of an event: that some image of the sender's registry may have changed. The registry comes from the configuration;
 * names, tags and digests are checked; an event about an image outside `match` is ignored.
 */
import type { EventSender } from '../../config/event-senders.ts';
import type { NamePattern } from '../../lib/name-patterns.ts';
import { parseDigest } from '../../oci/digest.ts';
import { withLibrary } from '../../oci/docker-hub.ts';
import { maxNameLength, parseRepository, parseTag } from '../../oci/reference.ts';
import type { ImageChange } from '../image-change.ts';
import type { SentEvent } from './sent-event.ts';

export type Judged =
  | {
      readonly kind: 'change';
      readonly change: ImageChange;
      /** What the sender calls the event. */
      readonly id: string | undefined;
    }
  | { readonly kind: 'ignored'; readonly why: string };

export interface JudgeOptions {
  readonly sender: Pick<EventSender, 'name' | 'registry'>;
  /** Of `registry/repository`; undefined: all. */
  readonly matches: NamePattern | undefined;
  /** The User-Agent of this server. */
  readonly ownAgent: string | undefined;
  /** Epoch ms: when the event came. What it says itself is the time of another clock. */
  readonly now: number;
}

/** Never throws. `why` shows nothing of what the sender wrote. */
export function judgeEvent(event: SentEvent, { sender, matches, ownAgent, now }: JudgeOptions): Judged {
  if (event.kind === 'ignored') return event;
  if (ownAgent !== undefined && event.agent === ownAgent) return ignored('this server made the change');
  const { registry, name } = sender;
  const repository = parseRepository(withLibrary(registry, withoutRegistry(event.repository, registry)));
  const image = `${registry}/${repository}`;
  if (!repository || image.length > maxNameLength)
    return ignored('its repository is no name of a repository');
  if (matches && !matches(image)) return ignored('its repository is outside match');
  const tag = event.tag === undefined ? undefined : parseTag(event.tag);
  if (event.tag !== undefined && !tag) return ignored('its tag is no tag');
  const digest = event.digest === undefined ? undefined : parseDigest(event.digest);
  // Beside a tag the digest only tells what to wait for.
  if (event.digest !== undefined && !digest && !tag) return ignored('its digest is no digest');
  const { change, id } = event;
  return {
    kind: 'change',
    change: { image, tag: tag ?? null, digest: digest ?? null, change, at: now, sender: name },
    id,
  };
}

/** Another Entrepot names images with their registry. */
function withoutRegistry(repository: string, registry: string): string {
  return repository.startsWith(`${registry}/`) ? repository.slice(registry.length + 1) : repository;
}

function ignored(why: string): Judged {
  return { kind: 'ignored', why };
}
