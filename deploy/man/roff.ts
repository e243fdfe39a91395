/**
 * Text of manual pages: the macros of man(7), which groff and mandoc read. Quotes, dashes and carets are escaped, so that what a
 * reader copies from a terminal is what the program takes.
 */

const characters: Readonly<Record<string, string>> = {
  '\\': '\\e',
  '-': '\\-',
  "'": '\\(aq',
  '`': '\\(ga',
  '^': '\\(ha',
  '~': '\\(ti',
};

/** One line or more of text. A line that begins with a control character is kept as text. */
export function plain(text: string): string {
  return text.replaceAll(/[\\\-'`^~]/g, (character) => characters[character] ?? character);
}

/** Text in bold: what is typed as it is. */
export function bold(text: string): string {
  return `\\fB${plain(text)}\\fR`;
}

/** Text in italics: what is replaced by a value. */
export function italic(text: string): string {
  return `\\fI${plain(text)}\\fR`;
}

/** `roff` broken into short lines, at spaces. No line begins with a control character. */
export function filled(roff: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of roff.split(/\s+/).filter(Boolean)) {
    if (line !== '' && line.length + word.length >= 78) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  if (line !== '') lines.push(line);
  return lines.map(protectedLine).join('\n');
}

/** Lines that are shown as they are. */
export function verbatim(text: string): string {
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => protectedLine(plain(line)));
  return ['.PP', '.RS 4', '.nf', ...lines, '.fi', '.RE'].join('\n');
}

/** A term, and what it means. Both are roff. */
export function tagged(term: string, meaning: string): string {
  return ['.TP', protectedLine(term), meaning === '' ? '\\&' : filled(meaning)].join('\n');
}

export function section(title: string): string {
  return `.SH ${quoted(title.toUpperCase())}`;
}

export function subsection(title: string): string {
  return `.SS ${quoted(title)}`;
}

/** The first line of a page. `date`: seconds since 1970. */
export function heading(name: string, chapter: number, version: string, date: number): string {
  const day = new Date(date * 1000).toISOString().slice(0, 10);
  const page = plain(name.toUpperCase());
  return `.TH ${quoted(page)} ${chapter} ${day} "Entrepot ${version}" "Entrepot"`;
}

/** A whole page of these parts. A paragraph that a heading or a list begins anyway gets no macro of its own. */
export function page(parts: readonly string[]): string {
  const text = `${parts.join('\n')}\n`;
  return text
    .replaceAll(/^(\.S[HS] .*\n)\.PP\n/gm, '$1')
    .replaceAll(/^\.PP\n(?=\.(?:PP|TP|IP|S[HS])\b)/gm, '');
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '\\(dq')}"`;
}

function protectedLine(line: string): string {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}
