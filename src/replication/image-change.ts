/**
 * Word from outside that something of an image may have changed, as the arguments of a job of the kind `replicate`:
 *
 *   registry/repository:tag ........ a tag was pushed, moved or removed
 *   registry/repository@digest ..... a manifest was pushed or removed, and no tag was named
 *   registry/repository ............ anything in the repository
 *
 * It is a hint and never a fact. A forged or late one costs a HEAD: what a tag means, and every byte, comes from the registry.
 */
import { type Json, jobPriorities, type NewJob } from '../jobs/job.ts';
import { type Digest, parseDigest } from '../oci/digest.ts';
import { parseReference, parseTag, referenceName, type Tag } from '../oci/reference.ts';

export interface ImageChange {
  /** `registry/repository` as clients mean it: the registry comes from the configuration, never from what was sent. */
  readonly image: string;
  readonly tag: Tag | null;
  /** What the tag should mean now. The registry decides what it does mean. */
  readonly digest: Digest | null;
  readonly change: 'updated' | 'deleted';
  /** When it happened, epoch ms. One from the future counts as now. */
  readonly at: number;
  /** What sent it, for people: a name of the configuration, or `commandSender`. */
  readonly sender: string;
}

export const replicateKind = 'replicate';
/** The `sender` of a change that a person asks to be looked for. */
export const commandSender = 'a command';

/** The key of the job of a change. */
function changeKey({ image, tag, digest }: Pick<ImageChange, 'image' | 'tag' | 'digest'>): string {
  if (tag !== null) return `${image}:${tag}`;
  return digest === null ? image : `${image}@${digest}`;
}

/**
 * The job for a change that an event tells of, due at once: `Jobs.add` takes it. A later change of the same key joins it, so that a
 * thousand events for a tag are one job.
 */
export function replicateJob(change: ImageChange): Omit<NewJob, 'notBefore'> {
  return {
    kind: replicateKind,
    key: changeKey(change),
    arguments: { ...change },
    priority: jobPriorities.event,
    cause: 'event',
  };
}

/** The job that looks at a tag, or at a repository, since a person asked: before those of events, and thoroughly. */
export function askedJob({
  image,
  tag,
  at,
}: Pick<ImageChange, 'image' | 'tag' | 'at'>): Omit<NewJob, 'notBefore'> {
  const job = replicateJob({ image, tag, digest: null, change: 'updated', at, sender: commandSender });
  return { ...job, priority: jobPriorities.asked, cause: 'manual' };
}

/** The change of a job; undefined for arguments that `replicateJob` has not made. */
export function readImageChange(value: Json): ImageChange | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { image, tag, digest, change, at, sender } = value as Readonly<Record<string, Json>>;
  if (typeof image !== 'string' || !isTime(at) || typeof sender !== 'string') return undefined;
  const parsed = parseReference(image);
  if (!parsed.ok || referenceName(parsed.value) !== image) return undefined;
  const readTag = typeof tag === 'string' ? parseTag(tag) : tag;
  const readDigest = typeof digest === 'string' ? parseDigest(digest) : digest;
  if (readTag !== null && typeof readTag !== 'string') return undefined;
  if (readDigest !== null && typeof readDigest !== 'string') return undefined;
  if (change !== 'updated' && change !== 'deleted') return undefined;
  return { image, tag: readTag, digest: readDigest, change, at, sender };
}

function isTime(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
