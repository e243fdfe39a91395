/**
 * Globs over `registry/repository` and `registry/repository:tag`, as pins and quotas have them: `*` stays within a path
 * component, `**` crosses them.
 */
import picomatch from 'picomatch';

export type NamePattern = (name: string) => boolean;

/** Matches a name that any of the patterns matches; undefined where there is none. */
export function namePattern(patterns: readonly string[]): NamePattern | undefined {
  return patterns.length === 0 ? undefined : picomatch([...patterns], { dot: true, nonegate: true });
}
