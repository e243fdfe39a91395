/**
 * WWW-Authenticate (RFC 9110, section 11.6.1). There may be several challenges in one header, and several headers. A comma separates
 * both challenges and parameters, so what follows it decides: `token =` is a parameter, `token` alone begins a challenge.
 */
export interface Challenge {
  /** Lower case. */
  readonly scheme: string;
  /** Names in lower case. The first of a name counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

const tokenForm = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const token68Form = /[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))/y;
const separators = /[\s,]*/y;
const equals = /[ \t]*=[ \t]*/y;
const spaces = /[ \t]+/y;
const quotedForm = /"((?:[^"\\]|\\.)*)"/sy;

/** Never throws: a header is read up to the first thing that makes no sense. At most 16 challenges. */
export function parseChallenges(headers: string | readonly string[] | undefined): readonly Challenge[] {
  if (headers === undefined) return [];
  const found: Challenge[] = [];
  for (const header of typeof headers === 'string' ? [headers] : headers) parseHeader(header, found);
  return found.slice(0, 16);
}

function parseHeader(header: string, found: Challenge[]): void {
  let at = 0;
  const take = (form: RegExp): RegExpExecArray | undefined => {
    form.lastIndex = at;
    const match = form.exec(header);
    if (!match) return undefined;
    at = form.lastIndex;
    return match;
  };

  let parameters: Map<string, string> | undefined;
  while (at < header.length) {
    take(separators);
    const name = take(tokenForm)?.[0];
    if (name === undefined) return;
    if (parameters && take(equals)) {
      const value = takeValue(take);
      if (value === undefined) return;
      const key = name.toLowerCase();
      if (!parameters.has(key)) parameters.set(key, value);
      continue;
    }
    parameters = new Map();
    found.push({ scheme: name.toLowerCase(), parameters });
    // `Negotiate YII...=`: credentials in one piece, which none of our schemes has.
    if (take(spaces)) {
      const afterSpace = at;
      const isToken68 = take(token68Form) !== undefined;
      if (!isToken68) at = afterSpace;
    }
  }
}

function takeValue(take: (form: RegExp) => RegExpExecArray | undefined): string | undefined {
  const quoted = take(quotedForm)?.[1];
  return quoted === undefined ? take(tokenForm)?.[0] : quoted.replace(/\\(.)/gs, '$1');
}
