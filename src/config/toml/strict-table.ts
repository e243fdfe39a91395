/**
 * Reads the tables of a strict TOML file key by key. Asking for a key is what makes it known, so there is no second list
 * of keys to keep; what is left over when all is read is unknown. A wrong value is noted and read as absent, so that
 * one run reports all that is wrong with a file.
 */
import { EntrepotError } from '../../errors.ts';
import { withoutQuotedUserInfo, withoutUserInfo } from '../credentials/user-info.ts';
import { nearest } from './nearest.ts';
import type { TomlTable, TomlValue } from './toml-document.ts';
import type { ValueKind } from './value-kinds.ts';

/** A key that was asked for, and what it means now. */
export interface WrittenSetting {
  /** `cache.max_size`; of the second table of a list, `upstream.host[1].proxy`. */
  readonly key: string;
  /** As JSON, without secrets; null: nothing is set, and there is no default. */
  readonly value: unknown;
  /** 1-based; undefined: the default. */
  readonly line: number | undefined;
}

export interface StrictTable {
  /** The value; `otherwise` where the key is absent or its value wrong. */
  value<T>(key: string, kind: ValueKind<T>): T | undefined;
  value<T>(key: string, kind: ValueKind<T>, otherwise: T): T;
  /** As `value`; absence is a problem. */
  required<T>(key: string, kind: ValueKind<T>): T | undefined;
  list<T>(key: string, kind: ValueKind<T>): readonly T[];
  /** `[key]`: empty where it is absent. */
  table(key: string): StrictTable;
  /** `[[key]]`. */
  tables(key: string): readonly StrictTable[];
  /** A table whose keys are the user's own. */
  map<T>(key: string, keyKind: ValueKind<string>, kind: ValueKind<T>): ReadonlyMap<string, T>;
  /** Notes a problem with what is written under `key`. */
  problem(key: string, message: string): void;
}

/** Calls `read` with the top table; every problem met, unknown keys included, comes back in the order of the lines. */
export function readStrictly<T>(
  file: string,
  root: TomlTable,
  read: (top: StrictTable) => T,
): { result: T; problems: readonly EntrepotError[]; settings: readonly WrittenSetting[] } {
  const problems: EntrepotError[] = [];
  const settings: WrittenSetting[] = [];
  const opened: { name: string; table: TomlTable; keys: ReadonlySet<string> }[] = [];

  function note(line: number, message: string): void {
    problems.push(new EntrepotError('CONFIG_INVALID', withoutQuotedUserInfo(message), { file, line }));
  }

  /** `name` as in its header: `upstream` for `[upstream]`, `[upstream.host]` for `[[upstream.host]]`; `index` in such a list. */
  function open(name: string, table: TomlTable, index?: number): StrictTable {
    const keys = new Set<string>();
    opened.push({ name, table, keys });
    const dotted = (key: string) => [...(name === '' ? [] : [name.replaceAll(/[[\]]/g, '')]), key].join('.');

    function set(key: string, value: unknown, line: number | undefined): void {
      if (index === undefined) settings.push({ key: dotted(key), value, line });
      else if (line !== undefined) {
        settings.push({ key: `${name.slice(1, -1)}[${index}].${key}`, value, line });
      }
    }

    function take(key: string): TomlValue | undefined {
      keys.add(key);
      return table.entries.get(key);
    }
    function checked<V>(what: string, kind: ValueKind<V>, value: TomlValue): V | undefined {
      const read = kind.read('value' in value ? value.value : undefined);
      if (read !== undefined) return read;
      const found = kind.secret && value.kind === 'string' ? 'what is there' : show(value);
      note(value.line, `${what} must be ${kind.expected}, not ${found}`);
      return undefined;
    }

    return {
      value<V>(key: string, kind: ValueKind<V>, otherwise?: V) {
        const value = take(key);
        const read = value && checked(dotted(key), kind, value);
        const isWritten = read !== undefined;
        const meant = isWritten ? read : otherwise;
        set(key, meant === undefined ? null : shown(kind, meant), isWritten ? value?.line : undefined);
        return meant as V;
      },
      required(key, kind) {
        const value = take(key);
        if (value) {
          const read = checked(dotted(key), kind, value);
          if (read !== undefined) set(key, shown(kind, read), value.line);
          return read;
        }
        note(table.line, `[${name}] needs the key ${key}: ${kind.expected}`);
        return undefined;
      },
      list(key, kind) {
        const value = take(key);
        if (value && value.kind !== 'array') {
          note(value.line, `${dotted(key)} must be a list in brackets, not ${show(value)}`);
          return [];
        }
        const read = value?.items.map((item) => checked(`each item of ${dotted(key)}`, kind, item)) ?? [];
        const items = read.filter((item) => item !== undefined);
        set(
          key,
          items.map((item) => shown(kind, item)),
          value?.line,
        );
        return items;
      },
      table(key) {
        const value = take(key);
        if (value?.kind === 'table') return open(dotted(key), value);
        if (value) note(value.line, `${dotted(key)} must be a table, [${dotted(key)}], not ${show(value)}`);
        return open(dotted(key), { kind: 'table', line: table.line, entries: new Map() });
      },
      tables(key) {
        const value = take(key);
        if (!value) return [];
        const items = value.kind === 'array' ? value.items : [value];
        const tables = items.filter((item) => item.kind === 'table');
        if (value.kind !== 'array' || tables.length < items.length) {
          note(value.line, `${dotted(key)} must be a list of tables, [[${dotted(key)}]], not ${show(value)}`);
        }
        return tables.map((item, at) => open(`[${dotted(key)}]`, item, at));
      },
      map(key, keyKind, kind) {
        const value = take(key);
        const result = new Map();
        if (value && value.kind !== 'table') {
          note(value.line, `${dotted(key)} must be a table of keys and values, not ${show(value)}`);
          return result;
        }
        for (const [written, item] of value?.entries ?? []) {
          const name = keyKind.read(written);
          const mapped = checked(`${dotted(key)} ${JSON.stringify(written)}`, kind, item);
          if (name === undefined) {
            note(
              item.line,
              `the key ${JSON.stringify(written)} of ${dotted(key)} must be ${keyKind.expected}`,
            );
          } else if (mapped !== undefined) {
            result.set(name, mapped);
            set(`${key}.${JSON.stringify(written)}`, shown(kind, mapped), item.line);
          }
        }
        return result;
      },
      problem: (key, message) => note(table.entries.get(key)?.line ?? table.line, message),
    };
  }

  function noteUnknownKeys(): void {
    for (const { name, table, keys } of opened) {
      for (const [key, { line }] of table.entries) {
        if (!keys.has(key))
          note(line, `unknown key ${JSON.stringify(key)} ${header(name)}: ${hint(key, keys)}`);
      }
    }
  }

  function hint(key: string, here: ReadonlySet<string>): string {
    const close = nearest(key, here);
    if (close !== undefined) return `did you mean ${close}?`;
    const home = opened.find(({ keys }) => keys.has(key));
    return home ? `it belongs ${header(home.name)}` : `known there are ${[...here].sort().join(', ')}`;
  }

  const result = read(open('', root));
  noteUnknownKeys();
  return { result, settings, problems: problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)) };
}

function shown<V>(kind: ValueKind<V>, value: V): unknown {
  return kind.show ? kind.show(value) : value;
}

function header(name: string): string {
  return name === '' ? 'above the first table' : `in [${name}]`;
}

/** A value as a message names it: numbers and texts as they are, but short. */
function show(value: TomlValue): string {
  if (!('value' in value)) return value.kind === 'array' ? 'a list' : `a ${value.kind}`;
  if (value.kind !== 'string') return String(value.value);
  const text = withoutUserInfo(value.value);
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}
