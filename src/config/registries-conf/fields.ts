/**
 * Reads the tables of registries.conf as the decoder of the ecosystem does. A key matches by its exact name first, then without
 * regard to case (`[[Registry]]`, `LOCATION`). A value of the wrong type is an error, in any spelling of its key. An unknown key is not an
 * error; here it is a warning, because it is nearly always a misspelt key.
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

/** The file that is being read, and the place for its warnings. */
export interface Reading {
  readonly file: string;
  warn(line: number, message: string): void;
}

/** The keys of one table. Each method returns undefined for an absent key and throws EntrepotError CONFIG_INVALID for a wrong type. */
export interface TableReader {
  text(key: string): Located<string> | undefined;
  flag(key: string): Located<boolean> | undefined;
  texts(key: string): Located<readonly Located<string>[]> | undefined;
  tables<T>(key: string, read: (table: TomlTable) => T): readonly T[];
  /** `read` is called for the table of every spelling of the key. */
  table<T>(key: string, read: (table: TomlTable) => T): T | undefined;
  /** The value of any type: the decoder does not check the type of `aliases`. */
  any(key: string): TomlValue | undefined;
  /** Warns of every key that no call has asked for. */
  warnOfTheRest(): void;
}

/** Warnings go to `warnings`, without passwords. */
export function createReading(file: string, warnings: ConfigWarning[]): Reading {
  return {
    file,
    warn: (line, message) => warnings.push({ file, line, message: withoutQuotedUserInfo(message) }),
  };
}

/** The error for `line` of the file, without passwords. */
export function invalid(reading: Reading, line: number, message: string): EntrepotError {
  return new EntrepotError('CONFIG_INVALID', withoutQuotedUserInfo(message), { file: reading.file, line });
}

/** `path` is the path of the table in messages: `registry.mirror`, or empty at the top level. */
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

/** The value as a string. Throws EntrepotError CONFIG_INVALID. */
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
    value: value.items.map((item) => {
      if (item.kind === 'string') return item;
      throw mismatch(item, `each element of ${name}`, 'a string', reading);
    }),
    line: value.line,
  };
}

function tables(value: TomlValue, name: string, reading: Reading): readonly TomlTable[] {
  if (value.kind !== 'array') throw mismatch(value, name, `a list of tables, as in [[${name}]]`, reading);
  return value.items.map((item) => {
    if (item.kind === 'table') return item;
    throw mismatch(item, `each element of ${name}`, `a table, as in [[${name}]]`, reading);
  });
}

/** The value as a table. Throws EntrepotError CONFIG_INVALID. */
export function asTable(value: TomlValue, name: string, reading: Reading): TomlTable {
  if (value.kind === 'table') return value;
  throw mismatch(value, name, `a table, as in [${name}]`, reading);
}

function mismatch(value: TomlValue, name: string, expected: string, reading: Reading): EntrepotError {
  const article = value.kind === 'array' || value.kind === 'integer' ? 'an' : 'a';
  return invalid(reading, value.line, `${name} must be ${expected}, not ${article} ${value.kind}`);
}
