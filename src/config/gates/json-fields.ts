/**
 * A JSON document read strictly, with lines: an unknown key, a key that is twice in one object and a value of another type are errors,
 * as in containers/image.
 */
import { type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';
import { EntrepotError } from '../../errors.ts';

/** One value with its place. Methods throw EntrepotError CONFIG_INVALID. */
export interface JsonValue {
  /** Such as `transports.docker["quay.io"][0]`; empty for the document. */
  readonly field: string;
  object(): JsonFields;
  list(): readonly JsonValue[];
  text(): string;
  fault(message: string): EntrepotError;
}

export interface JsonFields {
  /** Undefined where the key is absent. A key that was asked for is known. */
  get(key: string): JsonValue | undefined;
  /** All keys count as known then. */
  all(): readonly (readonly [string, JsonValue])[];
  /** Throws for a key that no call has asked for. */
  end(): void;
}

/** `file` is for messages. Throws EntrepotError CONFIG_INVALID for what is no JSON. */
export function parseJsonFields(text: string, file: string): JsonValue {
  const lineOf = (offset: number) => text.slice(0, offset).split('\n').length;
  const errors: ParseError[] = [];
  const options = { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false };
  const root = parseTree(text, errors, options);
  const [error] = errors;
  if (error || !root) {
    const why = error ? printParseErrorCode(error.error) : 'ValueExpected';
    throw new EntrepotError('CONFIG_INVALID', `is no valid JSON (${why})`, {
      file,
      line: lineOf(error?.offset ?? 0),
    });
  }
  return jsonValue(root, '', (node, message) => {
    return new EntrepotError('CONFIG_INVALID', message, { file, line: lineOf(node.offset) });
  });
}

type Fault = (node: Node, message: string) => EntrepotError;

function jsonValue(node: Node, field: string, fault: Fault): JsonValue {
  const named = field === '' ? 'the document' : field;
  const expect = (type: Node['type'], what: string): Node => {
    if (node.type === type) return node;
    throw fault(
      node,
      `${named} must be ${what}, not ${node.type === 'null' ? 'null' : `of type ${node.type}`}`,
    );
  };
  return {
    field,
    fault: (message) => fault(node, `${named}: ${message}`),
    text: () => String(expect('string', 'a text').value),
    list: () =>
      (expect('array', 'a list').children ?? []).map((item, at) => jsonValue(item, `${field}[${at}]`, fault)),
    object: () => fieldsOf(expect('object', 'an object'), field, fault),
  };
}

function fieldsOf(node: Node, field: string, fault: Fault): JsonFields {
  const known = new Set<string>();
  const values = new Map<string, JsonValue>();
  for (const property of node.children ?? []) {
    const [key, value] = property.children ?? [];
    if (!key || !value) continue;
    const name = String(key.value);
    const path = /^\w+$/.test(name) ? (field === '' ? name : `${field}.${name}`) : `${field}["${name}"]`;
    if (values.has(name)) throw fault(key, `${path} is there twice`);
    values.set(name, jsonValue(value, path, fault));
  }
  return {
    get(key) {
      known.add(key);
      return values.get(key);
    },
    all() {
      for (const key of values.keys()) known.add(key);
      return [...values];
    },
    end() {
      const other = [...values].find(([key]) => !known.has(key));
      if (other) throw other[1].fault(`unknown key: known here are ${[...known].sort().join(', ')}`);
    },
  };
}
