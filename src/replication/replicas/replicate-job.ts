/**
 * Follows up word that an image may have changed (`image-change.ts`), as a durable job. The word is a hint and never a fact:
 *
 *   always ................ what is cached of it counts as old: its next use asks the endpoints; a remembered 404 is forgotten
 *   a tag ................. each block that wants it brings it here, as the registry has it
 *   a digest alone ........ where it is attached to a manifest that is here, it is brought; else its tag comes with an event of its own
 *   a repository .......... a run over it
 *   deleted ............... the same look; nothing goes by an event alone. Runs decide that, with the list
 *
 * While the registry still says something else than the event did, the job looks again after 1, 5 and 30 s: registries announce a push
 * before all of their own replicas have it. Then what the registry says holds.
 */
import type { SyncBlock } from '../../config/sync-config.ts';
import type { Job, JobContext, JobKind, JobOutcome, Json } from '../../jobs/job.ts';
import { reasonOf } from '../../lib/thrown.ts';
import type { Digest } from '../../oci/digest.ts';
import { readManifest } from '../../oci/manifest.ts';
import { parseReference, parseTag, type Tag } from '../../oci/reference.ts';
import { verdictText } from '../../pull/verdict-text.ts';
import type { ImageName } from '../../routing/target.ts';
import { withAttached } from '../attached-results.ts';
import { referrersOf } from '../bring-referrers.ts';
import type { TagResult } from '../bring-tag.ts';
import { type CarryOptions, carryOut } from '../carry-out.ts';
import { commandSender, type ImageChange, readImageChange, replicateKind } from '../image-change.ts';
import { restOffline } from '../offline-rest.ts';
import { planTag } from '../plan-repository.ts';
import type { RepositoryWork } from '../planned-tag.ts';
import { pausedUntil, sitOut } from '../registry-pause.ts';
import { createRunLimits, paceOf } from '../run-limits.ts';
import { isOfSource } from '../source-images.ts';
import { bringLate, forgetIfGone, syncRepository, workOf } from '../sync-block.ts';
import type { SyncDeps } from '../sync-deps.ts';
import { isAmongNewest, isNamed } from './wanted-tag.ts';

export interface ReplicateDeps extends SyncDeps {
  /** Told of what a block has fetched. */
  readonly fetched: (sync: string, bytes: number) => void;
}

/** What came of one block's work. */
interface Followed {
  readonly state: 'done' | 'partial' | 'failed' | 'left';
  readonly digest: Digest | null;
  readonly reason: string | null;
  readonly bytes: number;
  /** Every endpoint says that there is no such tag. */
  readonly isAbsent: boolean;
  /** When the next window of the block opens (ISO 8601), where that left something over. */
  readonly resumes?: string | null;
}

/** ms until the registry is looked at again that does not know of the change yet. */
const lookAgain = [1000, 5000, 30_000];
/** Runs in a row that were not done, before the job has failed; the sweep comes in any case. */
const maxFailures = 8;
const atOnce = 3;

const left: Followed = { state: 'left', digest: null, reason: null, bytes: 0, isAbsent: false };

/** The kind of jobs that follow changes. */
export function createReplicateJob(deps: ReplicateDeps): JobKind {
  const { blocks, clock, replicas } = deps;

  async function run(context: JobContext): Promise<JobOutcome> {
    const { job, signal } = context;
    const change = readImageChange(job.arguments);
    const parsed = change && parseReference(change.image);
    if (!change || !parsed?.ok) return { kind: 'failed', reason: 'its arguments name no image' };
    const { registry, repository } = parsed.value;
    const image = { registry, repository, name: change.image };
    if (!deps.isListed(registry)) return doneWith('its registry is not listed in registries.conf');
    await expire(deps, image, change);
    if (deps.isLocal(image.name)) return doneWith('a [[push]] with mode = "local" alone answers for it');
    const wanting = blocks().filter((one) => isOfSource(one.source, image.name));
    if (wanting.length === 0) return doneWith('no [[sync]] brings it: its next pull asks the registry');
    const rest = restOffline(deps);
    if (rest) return rest;
    await sitOut(deps, image, signal);
    const pause = pausedUntil(deps, image);
    if (pause !== undefined)
      return { kind: 'later', reason: 'its registry asks for a pause (429)', at: pause };
    const followed: Followed[] = [];
    for (const block of wanting) {
      signal.throwIfAborted();
      followed.push(await withinTime(block, image, change, context));
    }
    return settle(image, change, followed, context);
  }

  async function withinTime(
    block: SyncBlock,
    image: ImageName,
    change: ImageChange,
    { signal, turn, tell, job }: JobContext,
  ): Promise<Followed> {
    // A tag that a person asks for is wanted now.
    const limits = createRunLimits(clock, block, { signal, ignoresWindow: job.cause === 'manual' });
    const work = { ...workOf(block, image, limits.signal), pace: paceOf(clock, block) };
    const onProgress: CarryOptions['onProgress'] = (progress) => tell({ ...progress });
    const isThorough = job.cause === 'manual';
    const changedAt = Math.min(change.at, clock.now());
    try {
      if (limits.closed !== undefined)
        return { ...left, state: 'failed', reason: limits.closed, resumes: limits.resumes() };
      const options = { onProgress, turn, changedAt, isThorough };
      const followed = await follow(deps, work, change, options);
      if (followed.bytes > 0) deps.fetched(block.name, followed.bytes);
      return { ...followed, resumes: limits.resumes() };
    } catch (error) {
      signal.throwIfAborted();
      if (!limits.signal.aborted) throw error;
      return { ...left, state: 'failed', reason: reasonOf(error), resumes: limits.resumes() };
    } finally {
      limits.end();
      await forgetIfGone(deps, block);
    }
  }

  async function settle(
    image: ImageName,
    change: ImageChange,
    followed: readonly Followed[],
    { job, nextTry }: JobContext,
  ): Promise<JobOutcome> {
    const isOver = ({ state, isAbsent }: Followed) => state === 'done' || state === 'left' || isAbsent;
    const missed = followed.find((one) => !isOver(one));
    if (missed) {
      const reason = missed.reason ?? 'it is not here yet';
      const opens = missed.resumes ? Date.parse(missed.resumes) : undefined;
      const pause = pausedUntil(deps, image);
      // A pause that the registry asks for is no failure of the tag: a queue may be long, and each job of it meets the pause.
      const isHeldUp = opens !== undefined || pause !== undefined;
      if (!isHeldUp && job.failures + 1 >= maxFailures) return { kind: 'failed', reason };
      const at = opens ?? pause ?? nextTry();
      if (change.tag !== null) await replicas.postpone({ image: image.name, tag: change.tag }, at);
      return { kind: isHeldUp ? 'later' : 'again', reason, at };
    }
    const wait = lookAgain[job.failures];
    const other = followed.find((one) => isBehind(one, change));
    if (other && wait !== undefined) {
      const reason = `the registry has ${other.digest ?? 'no such tag'}, and ${change.sender} said ${change.digest ?? 'that there is one'}`;
      return { kind: 'again', reason, at: clock.now() + wait };
    }
    const bytes = followed.reduce((sum, one) => sum + one.bytes, 0);
    return { kind: 'done', report: { blocks: followed.length, digest: followed[0]?.digest ?? null, bytes } };
  }

  function isMoot({ arguments: args }: Job): boolean {
    const image = readImageChange(args)?.image;
    return image !== undefined && !blocks().some(({ source }) => isOfSource(source, image));
  }

  return { name: replicateKind, atOnce, isMoot, run };
}

/** Whether the registry does not say yet what the event said. What a person asks for says nothing of it. */
function isBehind({ state, digest, isAbsent }: Followed, change: ImageChange): boolean {
  if (change.tag === null || change.change === 'deleted' || change.sender === commandSender) return false;
  return isAbsent || (state !== 'left' && change.digest !== null && digest !== change.digest);
}

function doneWith(note: string): JobOutcome {
  return { kind: 'done', report: { note } satisfies Json };
}

/** What is cached of the change counts as old. */
async function expire({ pull, cache }: SyncDeps, image: ImageName, change: ImageChange): Promise<void> {
  const { registry, repository, name } = image;
  const { tag, digest } = change;
  const expireTag = (one: Tag) =>
    pull.expire({ kind: 'manifest', image, reference: { registry, repository, tag: one } });
  await pull.expire({ kind: 'tags', image });
  if (tag !== null) await expireTag(tag);
  if (digest !== null)
    await pull.expire({ kind: 'manifest', image, reference: { registry, repository, digest } });
  if (tag !== null) return;
  for (const text of digest === null || change.change === 'deleted' ? await cache.tags(name) : []) {
    const one = parseTag(text);
    if (one && (digest === null || (await cache.tag(name, one))?.digest === digest)) await expireTag(one);
  }
}

async function follow(
  deps: SyncDeps,
  work: RepositoryWork,
  change: ImageChange,
  options: CarryOptions,
): Promise<Followed> {
  const { tag, digest } = change;
  if (tag !== null) return await followTag(deps, work, tag, options);
  if (digest === null) return await followRepository(deps, work, change, options);
  return change.change === 'deleted' ? left : await followDigest(deps, work, digest, options);
}

async function followTag(
  deps: SyncDeps,
  work: RepositoryWork,
  tag: Tag,
  options: CarryOptions,
): Promise<Followed> {
  const unwanted = async (followed: Followed) => {
    await deps.replicas.unwanted({ image: work.image.name, tag, sync: work.block.name });
    return followed;
  };
  if (!(await isNamed(deps, work, tag))) return await unwanted(left);
  const plan = await planTag(deps, work, tag);
  // Whether a tag that is gone goes here, too, is for a run that has the list to say.
  if (plan.isAbsent) return await unwanted({ ...left, reason: plan.reason, isAbsent: true });
  if (plan.action === 'hosted') return await unwanted(left);
  if (plan.action !== 'unknown' && !(await isAmongNewest(deps, work, plan))) return await unwanted(left);
  const result = await carryOut(deps, work, plan, options);
  const isNew = result.state === 'done' && (plan.action === 'add' || plan.action === 'move');
  return { ...(isNew ? await bringAttached(deps, work, result, options) : result), isAbsent: false };
}

/** Tags of signatures of what has just come: the list alone tells them. Without them, the tag is partial. */
async function bringAttached(
  deps: SyncDeps,
  work: RepositoryWork,
  result: TagResult,
  options: CarryOptions,
): Promise<TagResult> {
  const { block, image, signal } = work;
  if (block.referrers !== 'all') return result;
  const { registry, repository } = image;
  const list = await deps.upstream().listTags({ registry, repository }, { signal, peers: false });
  if (list.ok) {
    const late = await bringLate(deps, work, { listed: list.value, results: [result], options });
    const [told = result] = await withAttached(deps, work, [result], late);
    return told;
  }
  const reason = `tags of its signatures could not be listed: ${verdictText(list.verdict, list.trail)}`;
  const place = { image: image.name, tag: result.tag, sync: block.name };
  const end = { digest: result.digest, reason, bytes: 0, seconds: 0, hasReferrers: false };
  await deps.replicas.ended(place, { ...end, state: signal.aborted ? 'pending' : 'partial' });
  return { ...result, state: 'partial', reason };
}

/** A manifest without a tag: a child of an index that comes with its own tag, or a referrer. One small GET tells. */
async function followDigest(
  deps: SyncDeps,
  work: RepositoryWork,
  digest: Digest,
  options: CarryOptions,
): Promise<Followed> {
  const { block, image } = work;
  if (block.referrers === 'none') return left;
  const { registry, repository, name } = image;
  const pulled = await deps.pull.manifest({
    kind: 'manifest',
    image,
    reference: { registry, repository, digest },
  });
  if (!pulled.found) {
    if (pulled.verdict.kind === 'notFound') return left;
    return { ...left, state: 'failed', digest, reason: verdictText(pulled.verdict, pulled.trail) };
  }
  const manifest = readManifest(pulled.value.bytes, pulled.value.mediaType);
  const subject = 'problem' in manifest ? undefined : manifest.subject;
  if (!subject || !(await deps.admin.serves(name, subject))) return left;
  const { bytes, failures } = await referrersOf(deps, work, subject, options);
  const [failure = null] = failures;
  return { state: failure === null ? 'done' : 'partial', digest, reason: failure, bytes, isAbsent: false };
}

async function followRepository(
  deps: SyncDeps,
  work: RepositoryWork,
  { change }: ImageChange,
  options: CarryOptions,
): Promise<Followed> {
  const { problem, tags } = await syncRepository(deps, { ...work, losesNothing: true }, options);
  const bytes = tags.reduce((sum, tag) => sum + tag.bytes, 0);
  // Its registry may well have no list any more.
  if (problem !== null) return change === 'deleted' ? left : { ...left, state: 'failed', reason: problem };
  const missed = tags.find(({ state }) => state === 'partial' || state === 'failed');
  if (!missed) return { ...left, state: 'done', bytes };
  return { ...left, state: missed.state, bytes, reason: `${missed.tag}: ${missed.reason}` };
}
