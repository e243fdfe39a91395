/**
 * The line of every key and table of a TOML document. The package `toml` gives lines only for what it refuses. This scanner runs
 * on text that the package has accepted, so it trusts the syntax and skips the values (docs/decisions/0025):
 *
 *   [[registry.mirror]]   the newest element of `mirror` in the newest element of `registry`
 *   a.b = { c = [{}] }    a > b > c > first item
 */
import { parse } from 'toml';

/** A place in the document, in the shape of its value: `keys` of a table, `items` of an array. */
export interface Place {
  /** 1-based: of the key, of the header, or on which the item of an array begins. */
  readonly line: number;
  readonly keys: Map<string, Place>;
  readonly items: Place[];
}

const gap = /(?:[ \t\r\n]|#[^\n]*)*/y;
const bareKey = /[A-Za-z0-9_-]+/y;
const quoted = /"""(?:\\[\s\S]|[^\\])*?"{3,5}(?!")|'''[\s\S]*?'{3,5}(?!')|"(?:\\.|[^"\\])*"|'[^']*'/y;
const bareValue = /[^,\]}#\r\n]+/y;

/** The place of the document. `text` must be valid TOML. */
export function placesOf(text: string): Place {
  let at = 0;
  let counted = 0;
  let line = 1;
  const root = place(1);
  let table = root;
  take(gap);
  while (at < text.length) {
    if (text.startsWith('[[', at)) table = header('[['.length, true);
    else if (text[at] === '[') table = header('['.length, false);
    else assignment(table);
    take(gap);
  }
  return root;

  function header(brackets: number, isArray: boolean): Place {
    const start = lineHere();
    at += brackets;
    const path = key();
    at += brackets;
    const name = path.pop() ?? '';
    const target = descend(newest(path.reduce((parent, part) => newest(descend(parent, part)), root)), name);
    if (isArray) target.items.push(place(start));
    return newest(target);

    function descend(parent: Place, part: string): Place {
      return child(parent, part, start);
    }
  }

  function assignment(parent: Place): void {
    const start = lineHere();
    const path = key();
    at += '='.length;
    take(gap);
    value(path.reduce((target, part) => child(target, part, start), parent));
    take(gap);
  }

  /** Moves `at` behind the key and the blanks after it. */
  function key(): string[] {
    const parts: string[] = [];
    for (;;) {
      take(gap);
      const bare = take(bareKey);
      parts.push(bare === '' ? unquote(take(quoted)) : bare);
      take(gap);
      if (text[at] !== '.') return parts;
      at += 1;
    }
  }

  function value(target: Place): void {
    if (text[at] === '[') {
      each(']', () => {
        const item = place(lineHere());
        target.items.push(item);
        value(item);
      });
    } else if (text[at] === '{') {
      each('}', () => assignment(target));
    } else if (take(quoted) === '') {
      take(bareValue);
    }
  }

  function each(closing: string, element: () => void): void {
    at += 1;
    for (;;) {
      take(gap);
      if (text[at] === ',') at += 1;
      else if (at >= text.length || text[at] === closing) break;
      else element();
    }
    at += 1;
  }

  function take(pattern: RegExp): string {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0] ?? '';
    at += found.length;
    return found;
  }

  function lineHere(): number {
    for (; counted < at; counted += 1) if (text[counted] === '\n') line += 1;
    return line;
  }
}

function place(line: number): Place {
  return { line, keys: new Map(), items: [] };
}

function child(parent: Place, key: string, line: number): Place {
  const found = parent.keys.get(key) ?? place(line);
  parent.keys.set(key, found);
  return found;
}

function newest(target: Place): Place {
  return target.items.at(-1) ?? target;
}

function unquote(key: string): string {
  return String(parse(`key = ${key}`).key);
}
