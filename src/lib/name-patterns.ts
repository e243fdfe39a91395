/**
 * Globs over `registry/repository` and `registry/repository:tag`, for pins and quotas. `*` matches within a path component, `**`
 * matches across components.
 */
import picomatch from 'picomatch';

export type NamePattern = (name: string) => boolean;

/** A function that tells whether any of the patterns matches a name; undefined if there is no pattern. */
export function namePattern(patterns: readonly string[]): NamePattern | undefined {
  return patterns.length === 0 ? undefined : picomatch(patterns.map(crossing), { dot: true, nonegate: true });
}

/** picomatch reads `**` as two stars of one component unless it is the whole component: `**:latest` would match no image. */
function crossing(pattern: string): string {
  return pattern.replaceAll(/(?<=^|\/)\*\*(?=[^/*])/g, '{,**/}*');
}

/** Whether one name can match both globs. */
export function canMeet(one: string, other: string): boolean {
  const [a, b] = [literalStart(one), literalStart(other)];
  return a.startsWith(b) || b.startsWith(a);
}

function literalStart(glob: string): string {
  return /^[^*?[\]{}()!+@\\|]*/.exec(glob)?.[0] ?? '';
}
