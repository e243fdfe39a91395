/** Braces as a shell expands them: `a/{b,c}` stands for `a/b` and `a/c`. They may be nested. */

/** More is a mistake: each stands for a repository with requests of its own. */
export const maxExpanded = 1000;

/** Every text that `text` stands for, in order, each once. Undefined if a brace is not closed, or if there are more than `maxExpanded`. */
export function expandBraces(text: string): readonly string[] | undefined {
  const waiting = [text];
  const found = new Set<string>();
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    // The innermost group holds no brace.
    const group = /\{([^{}]*)\}/.exec(next);
    if (!group) {
      if (/[{}]/.test(next)) return undefined;
      found.add(next);
    } else {
      const before = next.slice(0, group.index);
      const after = next.slice(group.index + group[0].length);
      waiting.unshift(...(group[1] ?? '').split(',').map((one) => `${before}${one}${after}`));
    }
    if (found.size + waiting.length > maxExpanded) return undefined;
  }
  return [...found];
}
