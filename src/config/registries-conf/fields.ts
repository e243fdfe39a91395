/**
 * Reads the tables of registries.conf the way the ecosystem's decoder does: a key is found by its exact name first, then
 * without regard to case (`[[Registry]]`, `LOCATION`); a value of the wrong type is an error whatever its key's case; an
 * unknown key is no error, but here it is a warning, because it is nearly always a misspelt one.
 */
import { EntrepotError } from '../../errors.ts';
import type { ConfigWarning } from '../config.ts';
import { withoutQuotedUserInfo } from '../credentials/user-info.ts';
import { nearest } from '../toml/nearest.ts';
import type { TomlTable, TomlValue } from '../toml/toml-document.ts';

/** A value and the line of its key. */
export interface Located<T> {
  readonly value: T;
  readonly line: number;
}

/** The file being read, and where its warnings go. */
export interface Reading {
  readonly file: string;
  warn(line: number, message: string): void;
}

export interface TableReader {
  text(key: string): Located<string> | undefined;
  flag(key: string): Located<boolean> | undefined;
  texts(key: string): Located<readonly Located<string>[]> | undefined;
  tables<T>(key: string, read: (table: TomlTable) => T): readonly T[];
  /** `read` sees the table of every spelling of the key. */
  table<T>(key: string, read: (table: TomlTable) => T): T | undefined;
  /** The value as it stands, for the one key whose type is not checked. */
  any(key: string): TomlValue | undefined;
  /** Warns of every key that none of the calls before asked for. */
  warnOfTheRest(): void;
}

export function createReading(file: string, warnings: ConfigWarning[]): Reading {
  return {
    file,
    warn: (line, message) => warnings.push({ file, line, message: withoutQuotedUserInfo(message) }),
  };
}

export function invalid(reading: Reading, line: number, message: string): EntrepotError {
  return new EntrepotError('CONFIG_INVALID', withoutQuotedUserInfo(message), { file: reading.file, line });
}

/** `path` is what stands before the key in messages: `registry.mirror`, or empty at the top level. */
export function readTable(table: TomlTable, path: string, reading: Reading): TableReader {
  const known = new Set<string>();
  const read = new Set<string>();

  function take<T>(key: string, expect: Expectation<T>): T | undefined {
    known.add(key);
    const sameName = new RegExp(`^${key}$`, 'iu');
    const spelt = [...table.entries].filter(([name]) => sameName.test(name));
    const [first, second] = spelt.sort(([one], [other]) => Number(other === key) - Number(one === key));
    const values = spelt.map(([name, value]) => {
      read.add(name);
      return expect(value, dotted(name), reading);
    });
    if (first && second) {
      reading.warn(second[1].line, `${dotted(second[0])} is ignored: ${dotted(first[0])} is given, too`);
    }
    return values[0];
  }

  function dotted(name: string): string {
    return path === '' ? name : `${path}.${name}`;
  }

  return {
    text: (key) => take(key, text),
    flag: (key) => take(key, flag),
    texts: (key) => take(key, texts),
    tables: (key, readOne) => take(key, (...found) => tables(...found).map(readOne)) ?? [],
    table: (key, readOne) => take(key, (...found) => readOne(asTable(...found))),
    any: (key) => take(key, (value) => value),
    warnOfTheRest() {
      for (const [name, value] of table.entries) {
        if (read.has(name)) continue;
        const meant = nearest(name, known);
        const hint =
          meant === undefined ? `known here are ${[...known].join(', ')}` : `did you mean "${meant}"?`;
        reading.warn(value.line, `unknown key "${dotted(name)}" is ignored: ${hint}`);
      }
    },
  };
}

/** Checks a value's type. Throws EntrepotError CONFIG_INVALID. */
type Expectation<T> = (value: TomlValue, name: string, reading: Reading) => T;

export function text(value: TomlValue, name: string, reading: Reading): Located<string> {
  if (value.kind === 'string') return value;
  throw mismatch(value, name, `a string, as in ${name} = "..."`, reading);
}

function flag(value: TomlValue, name: string, reading: Reading): Located<boolean> {
  if (value.kind === 'boolean') return value;
  throw mismatch(value, name, 'true or false, without quotes', reading);
}

function texts(value: TomlValue, name: string, reading: Reading): Located<readonly Located<string>[]> {
  if (value.kind !== 'array')
    throw mismatch(value, name, `a list of strings, as in ${name} = ["..."]`, reading);
  return {
    value: value.items.map((item) => text(item, `each element of ${name}`, reading)),
    line: value.line,
  };
}

function tables(value: TomlValue, name: string, reading: Reading): readonly TomlTable[] {
  if (value.kind !== 'array') throw mismatch(value, name, `a list of tables, as in [[${name}]]`, reading);
  return value.items.map((item) => asTable(item, `each element of ${name}`, reading));
}

function asTable(value: TomlValue, name: string, reading: Reading): TomlTable {
  if (value.kind === 'table') return value;
  throw mismatch(value, name, `a table, as in [${name}]`, reading);
}

function mismatch(value: TomlValue, name: string, expected: string, reading: Reading): EntrepotError {
  const article = value.kind === 'array' || value.kind === 'integer' ? 'an' : 'a';
  return invalid(reading, value.line, `${name} must be ${expected}, not ${article} ${value.kind}`);
}
