/**
 * Globs over `registry/repository` and `registry/repository:tag`, as pins and quotas have them: `*` stays within a path
 * component, `**` crosses them.
 */
import picomatch from 'picomatch';

export type NamePattern = (name: string) => boolean;

/** Matches a name that any of the patterns matches; undefined where there is none. */
export function namePattern(patterns: readonly string[]): NamePattern | undefined {
  return patterns.length === 0 ? undefined : picomatch(patterns.map(crossing), { dot: true, nonegate: true });
}

/** picomatch takes `**` for two stars of one component unless it stands alone in it: `**:latest` would match no image. */
function crossing(pattern: string): string {
  return pattern.replaceAll(/(?<=^|\/)\*\*(?=[^/*])/g, '{,**/}*');
}
