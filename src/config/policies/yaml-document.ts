/**
 * A file of YAML or JSON (which is YAML, too) as trees of values with their lines. YAML 1.2, with these limits:
 *
 *   alias      stands for a copy of its anchor. Copies count as values, of which a file has at most 200,000
 *   depth      at most 64 levels
 *   merge key  `<<` is an error: it would take effect in some readers and be an unknown field in others
 *   tag        only those of JSON's types
 *
 * The parser is loaded with the first file, because most configurations have none.
 */
import { createRequire } from 'node:module';
import type { LineCounter, Node } from 'yaml';
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

type Yaml = typeof import('yaml');

const maxValues = 200_000;
const maxDepth = 64;

const require = createRequire(import.meta.url);

/** The documents of a file; empty ones are left out. `file` is for messages. Throws EntrepotError CONFIG_INVALID. */
export function parseYaml(text: string, file: string): readonly YamlValue[] {
  const yaml = require('yaml') as Yaml;
  const lines = new yaml.LineCounter();
  const documents = parseDocuments(yaml, text, lines, file);
  const fail = (line: number, message: string) =>
    new EntrepotError('CONFIG_INVALID', message, { file, line });
  for (const { errors, warnings } of documents) {
    const [problem] = [...errors, ...warnings];
    if (problem) throw fail(lines.linePos(problem.pos[0]).line, `is not valid YAML: ${problem.message}`);
  }
  let left = maxValues;
  return documents.flatMap((document) => {
    const typed = (node: Node | null | undefined, line: number, depth: number): YamlValue => {
      left -= 1;
      if (left < 0)
        throw fail(line, `has more than ${maxValues} values: aliases count as what they stand for`);
      if (depth > maxDepth) throw fail(line, `is nested more than ${maxDepth} levels deep`);
      if (yaml.isAlias(node)) {
        const meant = node.resolve(document);
        if (!meant) throw fail(line, `the alias *${node.source} stands for no anchor before it`);
        return typed(meant, line, depth + 1);
      }
      if (yaml.isMap<Node, Node | null>(node)) {
        const entries = new Map<string, YamlValue>();
        for (const { key, value } of node.items) {
          const at = lineOf(key, lines) ?? line;
          if (!yaml.isScalar(key)) throw fail(at, 'has a key that is no text');
          const name = String(key.value);
          if (name === '<<') throw fail(at, 'merge keys (<<) are not supported: write the fields out');
          if (entries.has(name))
            throw fail(at, `has the key ${JSON.stringify(name.slice(0, 80))} twice in one map`);
          entries.set(name, typed(value, at, depth + 1));
        }
        return { kind: 'map', line, entries };
      }
      if (yaml.isSeq<Node>(node)) {
        const items = node.items.map((item) => typed(item, lineOf(item, lines) ?? line, depth + 1));
        return { kind: 'list', line, items };
      }
      return scalar(yaml.isScalar(node) ? node.value : null, line);
    };
    const { contents } = document;
    const value = typed(contents, lineOf(contents, lines) ?? 1, 0);
    return value.kind === 'null' ? [] : [value];
  });
}

function parseDocuments(yaml: Yaml, text: string, lineCounter: LineCounter, file: string) {
  try {
    // The parser's own check for keys that are twice in a map takes quadratic time.
    const options = { lineCounter, prettyErrors: false, uniqueKeys: false } as const;
    const parsed = yaml.parseAllDocuments(text, { ...options, schema: 'core' });
    return 'empty' in parsed ? [] : parsed;
  } catch (error) {
    // The parser is recursive.
    if (!(error instanceof RangeError)) throw error;
    throw new EntrepotError('CONFIG_INVALID', `is nested more than ${maxDepth} levels deep`, { file });
  }
}

function lineOf(node: Node | null | undefined, lines: LineCounter): number | undefined {
  return node?.range ? lines.linePos(node.range[0]).line : undefined;
}

function scalar(value: unknown, line: number): YamlValue {
  if (typeof value === 'string') return { kind: 'string', line, value };
  if (typeof value === 'boolean') return { kind: 'boolean', line };
  return { kind: value === null || value === undefined ? 'null' : 'number', line };
}
