/**
 * JSON from outside: registries, token servers, credential helpers, auth files. JSON.parse reads any nesting, but JSON.stringify and
 * every recursive reader of the result then overflow the stack, and `{},{},...` takes fifty times its bytes of memory. So one pass
 * over the bytes counts brackets and values first. Text above a limit is not parsed.
 */

export interface JsonLimits {
  /** Arrays and objects inside each other. */
  readonly depth?: number;
  /** Values of arrays plus members of objects. */
  readonly values?: number;
}

export type ParsedJson =
  | { readonly ok: true; readonly value: unknown }
  /** `problem`: a phrase without any of the text, which may hold a secret: `is no JSON`. */
  | { readonly ok: false; readonly problem: string };

/** The problem of text that does not follow the grammar. */
export const notJson = 'is no JSON';

/** A real manifest is about six levels deep. Other readers stop at a hundred or more. */
const deepest = 100;
/** A repository with so many tags lists them in pages. */
const mostValues = 1_000_000;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Parses `text`, which is a string or bytes in UTF-8. The caller has capped its length. Never throws. */
export function parseJson(text: Uint8Array | string, limits: JsonLimits = {}): ParsedJson {
  const { depth = deepest, values = mostValues } = limits;
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const problem = excess(bytes, depth, values);
  if (problem !== undefined) return { ok: false, problem };
  try {
    return { ok: true, value: JSON.parse(utf8.decode(bytes)) };
  } catch {
    return { ok: false, problem: notJson };
  }
}

/** Whether a parsed value is an object, not an array or null. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const bracketOpen = 0x5b;
const bracketClose = 0x5d;
const braceOpen = 0x7b;
const braceClose = 0x7d;

/** Counts brackets and commas outside strings; gives the problem, if any. Text that is no JSON may give any result, as JSON.parse refuses it. */
function excess(bytes: Uint8Array, deepestAllowed: number, mostAllowed: number): string | undefined {
  let depth = 0;
  let values = 1;
  let inString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (inString) {
      if (byte === backslash) at += 1;
      else if (byte === quote) inString = false;
    } else if (byte === quote) inString = true;
    else if (byte === bracketOpen || byte === braceOpen) {
      depth += 1;
      values += 1;
      if (depth > deepestAllowed) return `is nested more than ${deepestAllowed} levels deep`;
    } else if (byte === bracketClose || byte === braceClose) depth -= 1;
    else if (byte === comma) values += 1;
    if (values > mostAllowed) return `holds more than ${mostAllowed} values`;
  }
  return undefined;
}
