/**
 * Reads the tables of a strict TOML file key by key. A key becomes known when it is asked for, so there is no second list of keys;
 * what nothing has asked for at the end is unknown. A wrong value is noted and read as absent, so that one run reports everything
 * that is wrong with a file.
 */
import { EntrepotError } from '../../errors.ts';
import type { ConfigWarning } from '../config.ts';
import { withoutQuotedUserInfo, withoutUserInfo } from '../credentials/user-info.ts';
import type { OtherSources, Overrides } from '../overrides.ts';
import type { SettingInForce, SettingSource } from '../settings.ts';
import { nearest } from './nearest.ts';
import type { TomlTable, TomlValue } from './toml-document.ts';
import type { ValueKind } from './value-kinds.ts';

/** One table, read key by key. */
export interface StrictTable {
  /** The value of a flag or variable, else of the file; `otherwise` if the key is absent or its value is wrong. */
  value<T>(key: string, kind: ValueKind<T>): T | undefined;
  value<T>(key: string, kind: ValueKind<T>, otherwise: T, sources?: OtherSources): T;
  value<T>(key: string, kind: ValueKind<T>, otherwise: T | undefined, sources: OtherSources): T | undefined;
  /** As `value`; absence is a problem. */
  required<T>(key: string, kind: ValueKind<T>): T | undefined;
  /** A list; `otherwise` (by default an empty one) if the key is absent. */
  list<T>(key: string, kind: ValueKind<T>, otherwise?: readonly T[]): readonly T[];
  /** What is written under the key; undefined where nothing is. */
  kindOf(key: string): TomlValue['kind'] | undefined;
  /** 1-based, of its header. */
  readonly line: number;
  /** `[key]`: empty if it is absent. */
  table(key: string): StrictTable;
  /** `[key]`; undefined if it is absent. */
  writtenTable(key: string): StrictTable | undefined;
  /** `[[key]]`. */
  tables(key: string): readonly StrictTable[];
  /** A table with names of the user as its keys. */
  map<T>(key: string, keyKind: ValueKind<string>, kind: ValueKind<T>): ReadonlyMap<string, T>;
  /** Notes a problem with what is written under `key`. */
  problem(key: string, message: string): void;
}

/** A document, and the values that override it. */
export interface StrictSource {
  /** Undefined if there is no file. */
  readonly file: string | undefined;
  readonly root: TomlTable;
  /** Without it, the file alone counts. */
  readonly overrides?: Overrides | undefined;
}

/** What a reading gives. */
export interface StrictlyRead<T> {
  readonly result: T;
  /** In the order of the lines, unknown keys included. */
  readonly problems: readonly EntrepotError[];
  /** Keys of the file that a variable hides: often another person than the author of the file has set it. */
  readonly warnings: readonly ConfigWarning[];
  /** Every key, defaults included; of a list of tables, only what is written. */
  readonly settings: readonly SettingInForce[];
}

/** Calls `read` with the top table. Throws nothing of its own: what is wrong is in the result. */
export function readStrictly<T>(source: StrictSource, read: (top: StrictTable) => T): StrictlyRead<T> {
  const run = new Run(source);
  const result = read(new OpenTable(run, { name: '', path: '', isOfList: false }, source.root));
  run.noteUnknownKeys();
  const { settings, warnings, problems } = run;
  return { result, settings, warnings, problems: problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)) };
}

/** One reading of one file: the tables that are open, and what was found in them. */
class Run {
  readonly overrides: Overrides | undefined;
  readonly settings: SettingInForce[] = [];
  readonly warnings: ConfigWarning[] = [];
  readonly problems: EntrepotError[] = [];
  readonly tables: OpenTable[] = [];
  readonly #file: string | undefined;

  constructor({ file, overrides }: StrictSource) {
    this.#file = file;
    this.overrides = overrides;
  }

  note(line: number, message: string): void {
    const context = { file: this.#file, line };
    this.problems.push(new EntrepotError('CONFIG_INVALID', withoutQuotedUserInfo(message), context));
  }

  warn(line: number, message: string): void {
    if (this.#file !== undefined) this.warnings.push({ file: this.#file, line, message });
  }

  /** The source of a value that is written on `line`; undefined: the default. */
  sourceOf(line: number | undefined): SettingSource {
    return line === undefined || this.#file === undefined
      ? { kind: 'default' }
      : { kind: 'file', file: this.#file, line };
  }

  noteUnknownKeys(): void {
    for (const { name, content, keys } of this.tables) {
      for (const [key, { line }] of content.entries) {
        if (keys.has(key)) continue;
        this.note(line, `unknown key ${JSON.stringify(key)} ${header(name)}: ${this.#hint(key, keys)}`);
      }
    }
  }

  #hint(key: string, here: ReadonlySet<string>): string {
    const close = nearest(key, here);
    if (close !== undefined) return `did you mean ${close}?`;
    const home = this.tables.find(({ keys }) => keys.has(key));
    return home ? `it belongs ${header(home.name)}` : `known there are ${[...here].sort().join(', ')}`;
  }
}

/** The place of a table in the document. */
interface TablePlace {
  /** As in its header: `upstream` for `[upstream]`, `[upstream.host]` for `[[upstream.host]]`. */
  readonly name: string;
  /** Before its keys, with places in lists: `upstream.host[1]`; empty at the top. */
  readonly path: string;
  /** It is in a list of tables, or in a table of one. */
  readonly isOfList: boolean;
}

class OpenTable implements StrictTable {
  readonly name: string;
  readonly line: number;
  readonly content: TomlTable;
  /** The keys that were asked for. */
  readonly keys = new Set<string>();
  readonly kindOf = (key: string) => this.content.entries.get(key)?.kind;
  readonly #run: Run;
  readonly #path: string;
  readonly #isOfList: boolean;

  constructor(run: Run, { name, path, isOfList }: TablePlace, content: TomlTable) {
    this.name = name;
    this.line = content.line;
    this.content = content;
    this.#run = run;
    this.#path = path;
    this.#isOfList = isOfList;
    run.tables.push(this);
  }

  value<V>(key: string, kind: ValueKind<V>, otherwise?: V, sources?: OtherSources): V {
    const value = this.#take(key);
    const written = value && this.#checked(this.#dotted(key), kind, value);
    const line = written === undefined ? undefined : value?.line;
    const override = sources && this.#run.overrides?.find(kind, sources);
    if (override && (line === undefined || !override.yields)) {
      const setting = this.#set(key, shown(kind, override.value), override.from);
      if (line !== undefined && written !== undefined)
        this.#warnOfHidden(line, setting, shown(kind, written));
      return override.value;
    }
    const meant = written ?? otherwise;
    const text = written === undefined ? undefined : value;
    this.#set(key, meant === undefined ? null : shown(kind, meant, text), this.#run.sourceOf(line));
    // Without `otherwise`, undefined is among the values that the interface promises.
    return meant as V;
  }

  required<V>(key: string, kind: ValueKind<V>): V | undefined {
    const value = this.#take(key);
    if (!value) {
      this.#run.note(this.content.line, `[${this.name}] needs the key ${key}: ${kind.expected}`);
      return undefined;
    }
    const read = this.#checked(this.#dotted(key), kind, value);
    if (read !== undefined) this.#set(key, shown(kind, read, value), this.#run.sourceOf(value.line));
    return read;
  }

  list<V>(key: string, kind: ValueKind<V>, otherwise: readonly V[] = []): readonly V[] {
    const name = this.#dotted(key);
    const value = this.#take(key);
    if (value && value.kind !== 'array') {
      this.#run.note(value.line, `${name} must be a list in brackets, not ${show(value)}`);
      return otherwise;
    }
    const read = value?.items.map((item) => this.#checked(`each item of ${name}`, kind, item)) ?? otherwise;
    const items = read.filter((item) => item !== undefined);
    const texts = items.map((item) => shown(kind, item));
    this.#set(key, texts, this.#run.sourceOf(value?.line));
    return items;
  }

  table(key: string): StrictTable {
    const name = this.#dotted(key);
    const value = this.#take(key);
    const place = { name, path: this.#pathOf(key), isOfList: this.#isOfList };
    if (value?.kind === 'table') return new OpenTable(this.#run, place, value);
    const forms = `[${name}] or ${key} = { KEY = VALUE }`;
    if (value) this.#run.note(value.line, `${name} must be a table, ${forms}, not ${show(value)}`);
    return new OpenTable(this.#run, place, { kind: 'table', line: this.content.line, entries: new Map() });
  }

  writtenTable(key: string): StrictTable | undefined {
    const table = this.table(key);
    return this.content.entries.get(key)?.kind === 'table' ? table : undefined;
  }

  tables(key: string): readonly StrictTable[] {
    const name = this.#dotted(key);
    const value = this.#take(key);
    if (!value) return [];
    const items = value.kind === 'array' ? value.items : [value];
    const tables = items.filter((item) => item.kind === 'table');
    if (value.kind !== 'array' || tables.length < items.length) {
      this.#run.note(value.line, `${name} must be a list of tables, [[${name}]], not ${show(value)}`);
    }
    return tables.map((item, at) => {
      const place = { name: `[${name}]`, path: `${this.#pathOf(key)}[${at}]`, isOfList: true };
      return new OpenTable(this.#run, place, item);
    });
  }

  map<V>(key: string, keyKind: ValueKind<string>, kind: ValueKind<V>): ReadonlyMap<string, V> {
    const name = this.#dotted(key);
    const value = this.#take(key);
    const result = new Map<string, V>();
    if (value && value.kind !== 'table') {
      this.#run.note(value.line, `${name} must be a table of keys and values, not ${show(value)}`);
      return result;
    }
    for (const [written, item] of value?.entries ?? []) {
      const quoted = JSON.stringify(written);
      const mappedKey = keyKind.read(written);
      const mapped = this.#checked(`${name} ${quoted}`, kind, item);
      if (mappedKey === undefined) {
        this.#run.note(item.line, `the key ${quoted} of ${name} must be ${keyKind.expected}`);
      } else if (mapped !== undefined) {
        result.set(mappedKey, mapped);
        this.#set(`${key}.${quoted}`, shown(kind, mapped), this.#run.sourceOf(item.line));
      }
    }
    return result;
  }

  problem(key: string, message: string): void {
    this.#run.note(this.content.entries.get(key)?.line ?? this.content.line, message);
  }

  #take(key: string): TomlValue | undefined {
    this.keys.add(key);
    return this.content.entries.get(key);
  }

  #checked<V>(what: string, kind: ValueKind<V>, value: TomlValue): V | undefined {
    const read = kind.read('value' in value ? value.value : undefined);
    if (read !== undefined) return read;
    const found = kind.secret && value.kind === 'string' ? 'what is there' : show(value);
    this.#run.note(value.line, `${what} must be ${kind.expected}, not ${found}`);
    return undefined;
  }

  /** The key in messages: `upstream.host.proxy`. */
  #dotted(key: string): string {
    return this.name === '' ? key : `${this.name.replaceAll(/[[\]]/g, '')}.${key}`;
  }

  /** The key among the settings: `upstream.host[1].proxy`. */
  #pathOf(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }

  /** Of a list of tables, defaults are left out: each table would repeat them. */
  #set(key: string, value: unknown, from: SettingSource): SettingInForce {
    const setting = { key: this.#pathOf(key), value, from };
    if (!this.#isOfList || from.kind !== 'default') this.#run.settings.push(setting);
    return setting;
  }

  #warnOfHidden(line: number, { key, value, from }: SettingInForce, written: unknown): void {
    if (from.kind !== 'variable' || JSON.stringify(value) === JSON.stringify(written)) return;
    const message = `${key} has no effect here: the variable ${from.name} sets it to ${JSON.stringify(value)}`;
    this.#run.warn(line, message);
  }
}

/** `written`: what the file has under the key, if that is the value. */
function shown<V>(kind: ValueKind<V>, value: V, written?: TomlValue): unknown {
  return kind.show ? kind.show(value, written && 'value' in written ? written.value : undefined) : value;
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
