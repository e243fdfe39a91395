/** Which `[[push]]` counts for an image: the first that matches. */
import { namePattern } from '../lib/name-patterns.ts';
import type { PushRule } from './config.ts';

/** Gives the rule for `registry/repository`; undefined: no pushes. Globs are compiled once. */
export function createPushRules(rules: readonly PushRule[]): (image: string) => PushRule | undefined {
  const compiled = rules.map((rule) => ({ rule, matches: namePattern([rule.match]) }));
  return (image) => compiled.find(({ matches }) => matches?.(image))?.rule;
}
