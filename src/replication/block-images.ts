/**
 * The images of a block at this moment. A glob stands for what the catalogue of its registry names; where there is none, or nothing of
 * it matches, for the images known here that match. A catalogue that fails is never an empty one.
 */
import type { SyncBlock } from '../config/sync-config.ts';
import { EntrepotError } from '../errors.ts';
import { expandBraces } from '../lib/braces.ts';
import { namePattern } from '../lib/name-patterns.ts';
import { verdictText } from '../pull/verdict-text.ts';
import type { ImageName } from '../routing/target.ts';
import { isSourceGlob, sourceImages } from './source-images.ts';
import type { SyncDeps } from './sync-deps.ts';

export interface BlockImages {
  readonly images: readonly ImageName[];
  /** Why there are none, in one sentence. */
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
  for (const glob of globs) {
    const listed = await listedBy(deps, glob, signal);
    if (typeof listed === 'string') {
      warnings.push(`${listed}: ${glob} means the images known here that match`);
      unknown.push(glob);
    } else for (const image of listed) named.add(image);
  }
  const isKnownHere = namePattern(unknown);
  async function* matching() {
    for (const image of named) yield { image };
    if (!isKnownHere) return;
    for await (const { image } of deps.admin.eachImage()) if (isKnownHere(image)) yield { image };
  }
  const images = await sourceImages(source, matching);
  const problem = images.length === 0 ? `no image known here matches ${source}` : null;
  return { images, problem, warning: warnings[0] ?? null };
}

/** `registry/repository` of each match in the catalogue; why that is not known, as a text. */
async function listedBy(
  { upstream, isListed }: SyncDeps,
  glob: string,
  signal: AbortSignal,
): Promise<readonly string[] | string> {
  const [registry = '', ...path] = glob.split('/');
  const under = path.slice(0, path.findIndex(isSourceGlob)).map((part) => `${part}/`);
  if (!isListed(registry)) return `its registry ${registry} is not listed in registries.conf`;
  try {
    const answer = await upstream().listRepositories({ registry, under: under.join('') }, { signal });
    signal.throwIfAborted();
    if (!answer.ok)
      return `the catalogue of ${registry} could not be read: ${verdictText(answer.verdict, answer.trail)}`;
    const matches = namePattern([glob]);
    const images = answer.value
      .map((repository) => `${registry}/${repository}`)
      .filter((image) => matches?.(image));
    return images.length === 0 ? `nothing in the catalogue of ${registry} matches` : images;
  } catch (error) {
    // Such as a location that makes no valid name.
    if (error instanceof EntrepotError) return error.message;
    throw error;
  }
}
