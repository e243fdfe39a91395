/** Sections of a page of docs/ as text for a manual page. A table becomes a list: its first column is the term. */
import { lexer, type Token, type Tokens } from 'marked';
import { bold, filled, italic, plain, section, subsection, tagged, verbatim } from './roff.ts';

/** The section under the heading `title` with all below it. Throws if there is none. */
export function markdownSection(markdown: string, title: string): readonly Token[] {
  const tokens = lexer(markdown);
  const start = tokens.findIndex((token) => isHeading(token) && token.text === title);
  const first = tokens[start];
  if (first === undefined || !isHeading(first)) throw new Error(`no heading ${title}`);
  const after = tokens.slice(start + 1);
  const end = after.findIndex((token) => isHeading(token) && token.depth <= first.depth);
  return end === -1 ? after : after.slice(0, end);
}

/** Text in the macros of man(7). Headings of depth 3 become sections. */
export function asRoff(tokens: readonly Token[]): string {
  return tokens.flatMap(block).join('\n');
}

function isHeading(token: Token): token is Tokens.Heading {
  return token.type === 'heading';
}

function block(token: Token): readonly string[] {
  const known = token as
    | Tokens.Heading
    | Tokens.Paragraph
    | Tokens.Code
    | Tokens.List
    | Tokens.Table
    | Tokens.Space;
  switch (known.type) {
    case 'space':
      return [];
    case 'heading':
      return [(known.depth <= 3 ? section : subsection)(words(known.tokens))];
    case 'paragraph':
      return ['.PP', filled(inline(known.tokens))];
    case 'code':
      return [verbatim(known.text)];
    case 'list':
      return known.items.map((item, at) => listItem(item, known.ordered ? `${at + 1}.` : '\\(bu'));
    case 'table':
      return known.rows.map((row) => tableRow(known.header, row));
    default:
      throw new Error(`docs/ has a block that manual pages cannot show: ${(token as Token).type}`);
  }
}

function listItem(item: Tokens.ListItem, mark: string): string {
  const text = item.tokens.flatMap((token) => ('tokens' in token && token.tokens ? token.tokens : []));
  return [`.IP ${mark} 4`, filled(inline(text))].join('\n');
}

/** The first cell that is not empty is the term. The last one says what it means; those between need their heading. */
function tableRow(header: readonly Tokens.TableCell[], row: readonly Tokens.TableCell[]): string {
  const cells = row
    .map(({ tokens }, at) => ({
      text: inline(tokens),
      isLast: at === row.length - 1,
      title: header[at]?.text ?? '',
    }))
    .filter(({ text }) => text !== '');
  const [term, ...rest] = cells;
  const meaning = rest.map(({ text, isLast, title }) => (isLast ? text : `${capital(title)}: ${text}.`));
  return tagged(term?.text ?? '\\&', meaning.join(' '));
}

function inline(tokens: readonly Token[]): string {
  return tokens.map(inlineOne).join('');
}

function inlineOne(token: Token): string {
  const known = token as
    | Tokens.Text
    | Tokens.Codespan
    | Tokens.Strong
    | Tokens.Em
    | Tokens.Link
    | Tokens.Escape
    | Tokens.Br;
  switch (known.type) {
    case 'text':
      return 'tokens' in known && known.tokens ? inline(known.tokens) : plain(known.text);
    case 'escape':
      return plain(known.text);
    case 'codespan':
    case 'strong':
      return bold(known.text);
    case 'em':
      return italic(known.text);
    case 'br':
      return ' ';
    case 'link':
      return /^https?:/.test(known.href) && known.text !== known.href
        ? `${inline(known.tokens)} (${plain(known.href)})`
        : inline(known.tokens);
    default:
      throw new Error(`docs/ has text that manual pages cannot show: ${(token as Token).type}`);
  }
}

function words(tokens: readonly Token[]): string {
  return tokens.map((token) => ('text' in token ? token.text : '')).join('');
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
