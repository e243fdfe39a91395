/** A TOML file as a tree of typed values with their lines, so that messages can point at them. */
import { parse } from 'toml';
import { EntrepotError } from '../../errors.ts';
import { withoutQuotedUserInfo } from '../credentials/user-info.ts';
import { type Place, placesOf } from './toml-places.ts';

/** `line` is 1-based: of the key, or of the item in an array. */
export type TomlValue =
  | TomlTable
  | { readonly kind: 'array'; readonly line: number; readonly items: readonly TomlValue[] }
  | { readonly kind: 'string'; readonly line: number; readonly value: string }
  | { readonly kind: 'boolean'; readonly line: number; readonly value: boolean }
  | { readonly kind: 'integer' | 'float'; readonly line: number; readonly value: number }
  | { readonly kind: 'date or time'; readonly line: number };

/** A table with its keys in the order of the file. */
export interface TomlTable {
  readonly kind: 'table';
  readonly line: number;
  readonly entries: ReadonlyMap<string, TomlValue>;
}

/** Dates become objects. By default the package returns strings, which look like any other string of the file. */
const dated = { from: (text: string) => ({ text }) };
const temporal = { ZonedDateTime: dated, PlainDateTime: dated, PlainDate: dated, PlainTime: dated };

/** `file` is for messages. Throws EntrepotError CONFIG_INVALID; its message shows the line without passwords. */
export function parseToml(text: string, file: string): TomlTable {
  let document: unknown;
  try {
    document = parse(text, { bigint: true, useTemporal: true, temporal });
  } catch (error) {
    throw syntaxError(error, text, file);
  }
  const root = typed(document, placesOf(text));
  if (root.kind !== 'table') throw new TypeError('a TOML document is always a table');
  return root;
}

function typed(value: unknown, place: Place): TomlValue {
  const { line } = place;
  if (typeof value === 'string') return { kind: 'string', line, value };
  if (typeof value === 'boolean') return { kind: 'boolean', line, value };
  if (typeof value === 'bigint') return { kind: 'integer', line, value: Number(value) };
  if (typeof value === 'number') return { kind: 'float', line, value };
  if (Array.isArray(value)) {
    const items = value.map((item, index) => typed(item, place.items[index] ?? place));
    return { kind: 'array', line, items };
  }
  // Only tables have no prototype.
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== null) {
    return { kind: 'date or time', line };
  }
  const entries = Object.entries(value).map(
    ([key, entry]) => [key, typed(entry, place.keys.get(key) ?? place)] as const,
  );
  return { kind: 'table', line, entries: new Map(entries) };
}

function syntaxError(error: unknown, text: string, file: string): EntrepotError {
  const { line, column, problem } = describe(error);
  // The URL of a proxy or a location may hold a password. The text keeps its length, so that the caret is under the right column.
  const written = text.split(/\r?\n/)[line - 1] ?? '';
  const shown = withoutQuotedUserInfo(
    written.replaceAll(/(?<=:\/\/)[^\s/]*(?=@)/g, (user) => '*'.repeat(user.length)),
  );
  // Tabs are kept, so that the caret stands under the right character.
  const indent = shown.slice(0, column - 1).replaceAll(/[^\t]/g, ' ');
  const frame = `${line} | ${shown}\n${' '.repeat(String(line).length)} | ${indent}^`;
  return new EntrepotError('CONFIG_INVALID', `is not valid TOML: ${problem}${quoteHint(written)}\n${frame}`, {
    file,
    line,
    cause: error,
  });
}

/** For the most frequent mistake: a text, a size or a duration without quotes. */
function quoteHint(line: string): string {
  const value = /^\s*[\w."'-]+\s*=\s*([^\s"'[{#][^#]*?)\s*(?:#.*)?$/.exec(line)?.[1];
  if (value === undefined || /^(?:true|false|[+-]?[\d._]+(?:e[+-]?\d+)?)$/.test(value)) return '';
  return /^[\d.]+[A-Za-z]+$/.test(value)
    ? `: write "${value}", in quotes`
    : ': only true, false and numbers are written without quotes';
}

/** Syntax errors of the package have `location` and `found`; its other errors (a key given twice) have `line` and `column`. */
function describe(error: unknown): { line: number; column: number; problem: string } {
  const known = error as {
    message?: string;
    line?: number;
    column?: number;
    found?: string | null;
    location?: { start: { line: number; column: number } };
  };
  const { line, column } = known.location?.start ?? known;
  const unexpected =
    known.found === null ? 'unexpected end of the file' : `unexpected ${inWords(known.found)}`;
  return {
    line: line ?? 1,
    column: column ?? 1,
    problem: known.location && known.found !== undefined ? unexpected : String(known.message ?? error),
  };
}

function inWords(found: string | undefined): string {
  return found === '\n' || found === '\r' ? 'end of the line' : JSON.stringify(found ?? '');
}
