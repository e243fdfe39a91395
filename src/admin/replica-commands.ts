/** The commands that concern replicas. What they give goes out as JSON: times are ISO 8601 texts, sizes are bytes. */
import {
  type Replica,
  type ReplicaRepository,
  type ReplicaState,
  type ReplicaStore,
  replicaStates,
} from '../cache/index/replicas/replica-store.ts';
import { readGlob } from '../config/named-images.ts';
import { EntrepotError } from '../errors.ts';
import type { NewJob } from '../jobs/job.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { parseTag, type Tag } from '../oci/reference.ts';

/** Of the state: 0 pending, 1 running, 2 done, 3 partial or failed, as GitLab Geo has them (`state` of its registries). */
const geoStates: Readonly<Record<ReplicaState, 0 | 1 | 2 | 3>> = {
  pending: 0,
  running: 1,
  done: 2,
  partial: 3,
  failed: 3,
};

interface ListedState {
  /** `registry/repository`. */
  readonly image: string;
  readonly state: ReplicaState;
  readonly geoState: 0 | 1 | 2 | 3;
  /** Fetched since it was last done. */
  readonly bytes: number;
  /** Why it is not done, or why its registry could not be asked, in one sentence. */
  readonly reason: string | null;
  /** Since when it is not done though it was tried, or its registry could not be asked. */
  readonly failed: string | null;
  readonly nextAttempt: string | null;
  /** When all of it was last found here, as its registry has it. */
  readonly verified: string | null;
}

/** A repository is as its worst tag. */
export interface ListedRepository extends ListedState {
  readonly tags: number;
  /** Of those. */
  readonly done: number;
}

export interface ListedReplica extends ListedState {
  /** Null: the list of the repository's tags. */
  readonly tag: string | null;
  /** The block that wants it. */
  readonly sync: string;
  /** Root digests: what its registry has, and what is here as a whole. */
  readonly wanted: string | null;
  readonly here: string | null;
  /** Runs that it took, or has taken so far. */
  readonly attempts: number;
  readonly seconds: number;
  /** When the change happened or was seen that it follows, and when that was here. The lag lies between them. */
  readonly changed: string | null;
  readonly done: string | null;
}

export interface ReplicaSelection {
  /** A glob over `registry/repository`, and of tags over `registry/repository:tag` as well. */
  readonly match?: string | undefined;
  readonly state?: string | undefined;
}

/** Each method throws EntrepotError USAGE for wrong arguments. */
export interface ReplicaCommands {
  /** By name. The lists can be long. */
  repositories(selection: ReplicaSelection): AsyncIterable<ListedRepository>;
  tags(selection: ReplicaSelection): AsyncIterable<ListedReplica>;
  /**
   * Has the repositories and tags that match looked at again, now and thoroughly; without a glob all that the `[[sync]]` blocks name.
   * Gives how many jobs that is.
   */
  resync(match: string | undefined): Promise<{ readonly jobs: number }>;
}

export interface ReplicaCommandsDeps {
  readonly store: Pick<ReplicaStore, 'list' | 'repositories'>;
  readonly jobs: Pick<Jobs, 'add'>;
  /** `registry/repository` of all that the blocks name and is known here; `asks`: as their registries' catalogues have it now. */
  readonly images: (asks: boolean) => Promise<readonly string[]>;
  /** Says that a repository, or one tag, is to be looked at. */
  readonly asked: (image: string, tag: Tag | null) => Promise<void>;
  /** The job that looks at one tag, or at a whole repository. */
  readonly look: (image: string, tag: Tag | null) => Omit<NewJob, 'notBefore'>;
}

/** Rows that are read at once: other work gets its turn in between. */
const atOnce = 200;

/** Acts on the replicas of this process. */
export function createReplicaCommands(deps: ReplicaCommandsDeps): ReplicaCommands {
  const { store, jobs, images, asked, look } = deps;

  async function* eachRepository(): AsyncGenerator<ReplicaRepository> {
    for (let after = ''; ; ) {
      const page = await store.repositories(after, atOnce);
      yield* page;
      const last = page.at(-1);
      if (!last || page.length < atOnce) return;
      after = last.image;
    }
  }

  async function* eachTag(): AsyncGenerator<Replica> {
    for (let after: Replica | undefined; ; ) {
      const page: readonly Replica[] = await store.list(after, atOnce);
      yield* page;
      if (page.length < atOnce) return;
      after = page.at(-1);
    }
  }

  /** In this order: the job may be over before anything else happens. */
  async function ask(image: string, tag: Tag | null): Promise<void> {
    await asked(image, tag);
    await jobs.add(look(image, tag));
  }

  async function* filtered<Row extends { readonly state: ReplicaState }, Listed>(
    rows: AsyncIterable<Row>,
    isMeant: (row: Row) => boolean,
    listed: (row: Row) => Listed,
  ): AsyncGenerator<Listed> {
    for await (const row of rows) if (isMeant(row)) yield listed(row);
  }

  return {
    // Arguments are read before the first row is: an answer that has begun cannot say what is wrong.
    repositories({ match, state }) {
      const [isNamed, isIn] = [readMatch(match), readState(state)];
      return filtered(eachRepository(), (row) => isIn(row.state) && isNamed(row.image), asRepository);
    },
    tags({ match, state }) {
      const [isNamed, isIn] = [readMatch(match), readState(state)];
      const isMeant = ({ image, tag, state: its }: Replica) =>
        isIn(its) && (isNamed(image) || isNamed(`${image}:${tag}`));
      return filtered(eachTag(), isMeant, asTag);
    },
    async resync(match) {
      const isNamed = readMatch(match);
      const whole = new Set((await images(match === undefined)).filter(isNamed));
      for (const image of whole) await ask(image, null);
      let count = whole.size;
      for await (const { image, tag: text } of match === undefined ? [] : eachTag()) {
        const tag = parseTag(text);
        if (!tag || whole.has(image) || !isNamed(`${image}:${tag}`)) continue;
        await ask(image, tag);
        count += 1;
      }
      if (count > 0) return { jobs: count };
      const what = match === undefined ? 'there is no [[sync]]' : `no [[sync]] wants what ${match} matches`;
      throw new EntrepotError('USAGE', `nothing is to be looked at: ${what}`);
    },
  };
}

function readMatch(match: string | undefined): (name: string) => boolean {
  return match === undefined ? () => true : readGlob(match);
}

function readState(text: string | undefined): (state: ReplicaState) => boolean {
  if (text === undefined) return () => true;
  const wanted = replicaStates.find((one) => one === text);
  if (wanted) return (state) => state === wanted;
  const known = replicaStates.join(', ');
  throw new EntrepotError('USAGE', `${JSON.stringify(text)} is no state of a replica: use ${known}`);
}

function asState(row: Replica | ReplicaRepository): ListedState {
  const { image, state, bytes, reason, failedAt, nextAttempt, verifiedAt } = row;
  const times = { failed: asIso(failedAt), nextAttempt: asIso(nextAttempt), verified: asIso(verifiedAt) };
  return { image, state, geoState: geoStates[state], bytes, reason: reason ?? null, ...times };
}

function asRepository(row: ReplicaRepository): ListedRepository {
  return { ...asState(row), tags: row.tags, done: row.done };
}

function asTag(row: Replica): ListedReplica {
  const { tag, sync, wanted = null, here = null, attempts, seconds, changedAt, doneAt } = row;
  const times = { changed: asIso(changedAt), done: asIso(doneAt) };
  return { ...asState(row), tag: tag === '' ? null : tag, sync, wanted, here, attempts, seconds, ...times };
}

function asIso(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}
