/**
 * Where a text stops being JSON. The messages of JSON.parse quote the text around an error, and in an auth file that text
 * is a secret; so the place is found here, and nothing of the text is told.
 */
const token =
  /[ \t\n\r]*(?:([{}[\],:])|("(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/y;

type Wanted = 'value' | 'valueOrEnd' | 'key' | 'keyOrEnd' | 'colon' | 'commaOrEnd' | 'nothing';

/** The 1-based line of the first error in `text`, or of its last line where it ends too early. Only for a text that is no JSON. */
export function jsonErrorLine(text: string): number {
  const open: string[] = [];
  let wanted: Wanted = 'value';
  let offset = 0;
  for (;;) {
    token.lastIndex = offset;
    const match = token.exec(text);
    const next: Wanted | undefined = match
      ? after(wanted, match[1] ?? (match[2] === undefined ? 'literal' : 'string'), open)
      : undefined;
    if (next === undefined) return lineOfRest(text, offset);
    wanted = next;
    offset = token.lastIndex;
  }
}

/** What may follow `found`, or undefined where it may not stand here. Keeps the brackets that are open. */
function after(wanted: Wanted, found: string, open: string[]): Wanted | undefined {
  const inside = open.at(-1);
  const valueWanted = wanted === 'value' || wanted === 'valueOrEnd';
  switch (found) {
    case '{':
    case '[':
      if (!valueWanted) return undefined;
      open.push(found);
      return found === '{' ? 'keyOrEnd' : 'valueOrEnd';
    case '}':
    case ']': {
      const opener = found === '}' ? '{' : '[';
      const atEnd = wanted === 'commaOrEnd' || wanted === (found === '}' ? 'keyOrEnd' : 'valueOrEnd');
      if (!atEnd || inside !== opener) return undefined;
      open.pop();
      return open.length === 0 ? 'nothing' : 'commaOrEnd';
    }
    case ',':
      if (wanted !== 'commaOrEnd') return undefined;
      return inside === '{' ? 'key' : 'value';
    case ':':
      return wanted === 'colon' ? 'value' : undefined;
    default:
      if (found === 'string' && (wanted === 'key' || wanted === 'keyOrEnd')) return 'colon';
      if (!valueWanted) return undefined;
      return inside === undefined ? 'nothing' : 'commaOrEnd';
  }
}

function lineOfRest(text: string, offset: number): number {
  const rest = text.slice(offset).trimStart();
  const before = rest === '' ? text.trimEnd() : text.slice(0, text.length - rest.length);
  return before.split('\n').length;
}
