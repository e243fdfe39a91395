/**
 * The images of a block at this moment. A glob stands for what the catalogue of its registry names; elsewhere for the images known here
 * that match:
 *
 *   no catalogue, or not for this account ... a warning: many registries offer none
 *   nothing of it matches .................... a warning
 *   it fails ................................. a problem: the run is not done, and comes again. A catalogue that fails is never an empty one
 */
import type { SyncBlock } from '../config/sync-config.ts';
import { EntrepotError } from '../errors.ts';
import { expandBraces } from '../lib/braces.ts';
import { namePattern } from '../lib/name-patterns.ts';
import { verdictText } from '../pull/verdict-text.ts';
import type { ImageName } from '../routing/target.ts';
import type { Trail } from '../upstream/outcome.ts';
import { isSourceGlob, sourceImages } from './source-images.ts';
import type { SyncDeps } from './sync-deps.ts';

export interface BlockImages {
  readonly images: readonly ImageName[];
  /** Why there are none, or why some may be left out, in one sentence. */
  readonly problem: string | null;
  readonly warning: string | null;
}

/** Resolves where a registry fails, too. */
export async function imagesOf(
  deps: SyncDeps,
  { source }: Pick<SyncBlock, 'source'>,
  signal: AbortSignal,
): Promise<BlockImages> {
  const globs = (expandBraces(source) ?? []).filter(isSourceGlob);
  const named = new Set<string>();
  const unknown: string[] = [];
  const warnings: string[] = [];
  const problems: string[] = [];
  for (const glob of globs) {
    const listed = await listedBy(deps, glob, signal);
    if ('why' in listed) {
      const told = `${listed.why}: ${glob} means the images known here that match`;
      (listed.hasFailed ? problems : warnings).push(told);
      unknown.push(glob);
    } else for (const image of listed.images) named.add(image);
  }
  const isKnownHere = namePattern(unknown);
  async function* matching() {
    for (const image of named) yield { image };
    if (!isKnownHere) return;
    for await (const { image } of deps.admin.eachImage()) if (isKnownHere(image)) yield { image };
  }
  const images = await sourceImages(source, matching);
  const problem = problems[0] ?? (images.length === 0 ? `no image known here matches ${source}` : null);
  return { images, problem, warning: warnings[0] ?? null };
}

type Listed =
  | { readonly images: readonly string[] }
  /** `hasFailed`: it may be known at another time. */
  | { readonly why: string; readonly hasFailed: boolean };

/** `registry/repository` of each match in the catalogue. */
async function listedBy(
  { upstream, isListed }: SyncDeps,
  glob: string,
  signal: AbortSignal,
): Promise<Listed> {
  const [registry = '', ...path] = glob.split('/');
  const under = path.slice(0, path.findIndex(isSourceGlob)).map((part) => `${part}/`);
  const none = (why: string): Listed => ({ why, hasFailed: false });
  if (!isListed(registry)) return none(`its registry ${registry} is not listed in registries.conf`);
  try {
    const answer = await upstream().listRepositories({ registry, under: under.join('') }, { signal });
    signal.throwIfAborted();
    if (!answer.ok) {
      const { verdict, trail } = answer;
      const why = `the catalogue of ${registry} could not be read: ${verdictText(verdict, trail)}`;
      return { why, hasFailed: !isNotOffered(trail) };
    }
    const matches = namePattern([glob]);
    const images = answer.value
      .map((repository) => `${registry}/${repository}`)
      .filter((image) => matches?.(image));
    return images.length === 0 ? none(`nothing in the catalogue of ${registry} matches`) : { images };
  } catch (error) {
    // Such as a location that makes no valid name.
    if (error instanceof EntrepotError) return none(error.message);
    throw error;
  }
}

const notOffered: ReadonlySet<string> = new Set(['notFound', 'unauthorized', 'denied', 'blocked']);

/** Whether every endpoint has said that it has no catalogue, or none for this account. */
function isNotOffered(trail: Trail): boolean {
  return trail.every(({ outcome }) => notOffered.has(outcome));
}
