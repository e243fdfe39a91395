/**
 * Patterns over tags, in linear time: a hostile registry chooses the tags, and a person may write a regular expression that would
 * take years with a backtracking engine.
 *
 *   8.*         glob: `*` any characters, `?` one, `[a-z]`, `{a,b}`. The whole tag must match.
 *   /v\d+/      regular expression in the syntax of RE2 (https://github.com/google/re2/wiki/Syntax). The whole tag must match.
 */
import { RE2JS, RE2JSException } from 're2js';

export type TagPattern = (tag: string) => boolean;

/** Characters. A longer pattern is a mistake. */
const maxLength = 500;

/** Reads a glob, or a regular expression between slashes. `problem` continues the sentence "the pattern ...". */
export function readTagPattern(text: string): TagPattern | { readonly problem: string } {
  const regex = /^\/(.*)\/$/s.exec(text)?.[1];
  return regex === undefined ? readTagGlob(text) : readTagRegex(regex);
}

/** Reads a regular expression without slashes around it. */
export function readTagRegex(text: string): TagPattern | { readonly problem: string } {
  if (text === '') return { problem: 'is empty' };
  if (text.length > maxLength) return { problem: `is longer than ${maxLength} characters` };
  try {
    const compiled = RE2JS.compile(text);
    return (tag) => compiled.testExact(tag);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    return {
      problem: `is no regular expression of RE2: ${error.message.replace(/^error parsing regexp: /, '')}`,
    };
  }
}

function readTagGlob(text: string): TagPattern | { readonly problem: string } {
  if (text === '') return { problem: 'is empty' };
  if (!/^[\w.*?[\]{},!^-]+$/.test(text)) return { problem: 'holds a character that no tag and no glob has' };
  const translated = translate(text);
  return translated === undefined
    ? { problem: 'has a bracket that is not closed, or a comma outside of braces' }
    : readTagRegex(translated);
}

/** The glob as a regular expression; undefined where brackets do not match. */
function translate(glob: string): string | undefined {
  let depth = 0;
  let result = '';
  for (let at = 0; at < glob.length; at += 1) {
    const sign = glob[at] ?? '';
    if (sign === '[') {
      const set = /^\[[!^]?[\w.-]+\]/.exec(glob.slice(at))?.[0];
      if (set === undefined) return undefined;
      result += set.replace('[!', '[^');
      at += set.length - 1;
    } else if (sign === '{') {
      depth += 1;
      result += '(?:';
    } else if (sign === '}') {
      depth -= 1;
      if (depth < 0) return undefined;
      result += ')';
    } else if (sign === ',' && depth > 0) result += '|';
    else if (sign === '*') result += '.*';
    else if (sign === '?') result += '.';
    else if (/\w/.test(sign)) result += sign;
    else if (sign === '.' || sign === '-') result += `\\${sign}`;
    else return undefined;
  }
  return depth === 0 ? result : undefined;
}
