/**
 * A file of YAML 1.2, or of JSON, as trees of values with their lines, so that messages can point at them. Limits, since a file may
 * come from another machine:
 *
 *   values   at most 200,000. An alias counts as what it stands for
 *   depth    at most 64 levels
 *   keys     texts, each once in a map
 *
 * The parser is loaded with the first file: most configurations have none.
 */
import { createRequire } from 'node:module';
import type { Document, LineCounter, Node, Pair } from 'yaml';
import { EntrepotError } from '../../errors.ts';

/** `line` is 1-based: of the key, or of the item in a list. */
export type YamlValue =
  | YamlMap
  | { readonly kind: 'list'; readonly line: number; readonly items: readonly YamlValue[] }
  | { readonly kind: 'string'; readonly line: number; readonly value: string }
  | { readonly kind: 'number' | 'boolean' | 'null'; readonly line: number };

/** A map with its keys in the order of the file. */
export interface YamlMap {
  readonly kind: 'map';
  readonly line: number;
  readonly entries: ReadonlyMap<string, YamlValue>;
}

export interface YamlOptions {
  /** `text`: every scalar is the text that is written, such as 1.10 for a tag. Default `typed`: those of JSON. */
  readonly scalars?: 'typed' | 'text';
  /** Whether `<<` merges another map into its own, as in YAML 1.1. Otherwise it is an error. */
  readonly merge?: boolean;
}

type Yaml = typeof import('yaml');

const maxValues = 200_000;
const maxDepth = 64;
const require = createRequire(import.meta.url);

/** The documents of a file; empty ones are left out. `file` is for messages. Throws EntrepotError CONFIG_INVALID. */
export function parseYaml(text: string, file: string, options: YamlOptions = {}): readonly YamlValue[] {
  const yaml = require('yaml') as Yaml;
  const lineCounter = new yaml.LineCounter();
  const tooDeep = `is nested more than ${maxDepth} levels deep`;
  try {
    // The parser's own search for keys that are twice in a map takes quadratic time.
    const parsed = yaml.parseAllDocuments(text, {
      lineCounter,
      prettyErrors: false,
      uniqueKeys: false,
      schema: options.scalars === 'text' ? 'failsafe' : 'core',
    });
    const budget = { left: maxValues };
    return [...parsed].flatMap((document) => {
      const value = new Reading(yaml, document, { file, lineCounter, budget, options }).read();
      return value.kind === 'null' ? [] : [value];
    });
  } catch (error) {
    // The parser is recursive.
    if (!(error instanceof RangeError)) throw error;
    throw new EntrepotError('CONFIG_INVALID', tooDeep, { file });
  }
}

interface ReadingContext {
  readonly file: string;
  readonly lineCounter: LineCounter;
  readonly budget: { left: number };
  readonly options: YamlOptions;
}

type Item = Node | null | undefined;

/** What an anchor stands for. Its values and levels count again for each alias. */
interface Anchored {
  readonly value: YamlValue;
  readonly size: number;
  readonly height: number;
}

/** One document. Nodes are read in the order of the text, so that an alias finds the last anchor before it. */
class Reading {
  readonly #yaml: Yaml;
  readonly #document: Document;
  readonly #context: ReadingContext;
  readonly #anchors = new Map<string, Anchored>();
  /** The deepest level so far of the anchor that is being read. */
  #deepest = 0;

  constructor(yaml: Yaml, document: Document, context: ReadingContext) {
    this.#yaml = yaml;
    this.#document = document;
    this.#context = context;
  }

  read(): YamlValue {
    const { errors, warnings, contents } = this.#document;
    const [problem] = [...errors, ...warnings];
    if (problem) {
      const { line } = this.#context.lineCounter.linePos(problem.pos[0]);
      throw this.#fault(line, `is not valid YAML: ${problem.message}`);
    }
    return this.#value(contents as Item, this.#lineOf(contents as Item) ?? 1, 0);
  }

  #value(node: Item, line: number, depth: number): YamlValue {
    if (this.#yaml.isAlias(node)) {
      // The parser's own look-up goes through the whole document for each alias.
      const meant = this.#anchors.get(node.source);
      if (!meant) throw this.#fault(line, `the alias *${node.source} stands for no anchor before it`);
      this.#count(meant.size, depth + meant.height, line);
      return { ...meant.value, line };
    }
    const anchor = node && 'anchor' in node ? node.anchor : undefined;
    if (anchor === undefined) return this.#content(node, line, depth);
    const { budget } = this.#context;
    const before = { left: budget.left, deepest: this.#deepest };
    this.#deepest = depth;
    const value = this.#content(node, line, depth);
    this.#anchors.set(anchor, { value, size: before.left - budget.left, height: this.#deepest - depth });
    this.#deepest = Math.max(this.#deepest, before.deepest);
    return value;
  }

  #count(size: number, depth: number, line: number): void {
    const { budget } = this.#context;
    budget.left -= size;
    this.#deepest = Math.max(this.#deepest, depth);
    if (budget.left < 0)
      throw this.#fault(line, `has more than ${maxValues} values: aliases count as what they stand for`);
    if (depth > maxDepth) throw this.#fault(line, `is nested more than ${maxDepth} levels deep`);
  }

  #content(node: Item, line: number, depth: number): YamlValue {
    this.#count(1, depth, line);
    if (this.#yaml.isMap<Node, Item>(node)) return this.#map(node.items, line, depth);
    if (this.#yaml.isSeq<Node>(node)) {
      const items = node.items.map((item) => this.#value(item, this.#lineOf(item) ?? line, depth + 1));
      return { kind: 'list', line, items };
    }
    return this.#scalar(node, line);
  }

  #map(pairs: readonly Pair<Node, Item>[], line: number, depth: number): YamlMap {
    const entries = new Map<string, YamlValue>();
    const merged: [string, YamlValue][] = [];
    for (const { key, value } of pairs) {
      const at = this.#lineOf(key) ?? line;
      if (!this.#yaml.isScalar(key)) throw this.#fault(at, 'has a key that is no text');
      const name = String(key.value);
      const read = this.#value(value, at, depth + 1);
      if (name === '<<') merged.push(...this.#merged(read));
      else if (entries.has(name)) {
        throw this.#fault(at, `has the key ${JSON.stringify(name.slice(0, 80))} twice in one map`);
      } else entries.set(name, read);
    }
    for (const [name, value] of merged) if (!entries.has(name)) entries.set(name, value);
    return { kind: 'map', line, entries };
  }

  /** What a merge key brings: the first map that has a key wins. */
  #merged(value: YamlValue): readonly [string, YamlValue][] {
    if (!this.#context.options.merge)
      throw this.#fault(value.line, 'merge keys (<<) are not supported: write the fields out');
    const maps = value.kind === 'list' ? value.items : [value];
    return maps.flatMap((map) => {
      if (map.kind !== 'map') throw this.#fault(map.line, 'a merge key (<<) takes a map, or a list of maps');
      return [...map.entries];
    });
  }

  #scalar(node: Item, line: number): YamlValue {
    const value = this.#yaml.isScalar(node) ? node.value : null;
    const isEmpty =
      this.#yaml.isScalar(node) && node.type === 'PLAIN' && /^(?:~|null)?$/i.test(node.source ?? '');
    if (value === null || value === undefined || isEmpty) return { kind: 'null', line };
    if (typeof value === 'string') return { kind: 'string', line, value };
    return { kind: typeof value === 'boolean' ? 'boolean' : 'number', line };
  }

  #lineOf(node: Item): number | undefined {
    return node?.range ? this.#context.lineCounter.linePos(node.range[0]).line : undefined;
  }

  #fault(line: number, message: string): EntrepotError {
    return new EntrepotError('CONFIG_INVALID', message, { file: this.#context.file, line });
  }
}
