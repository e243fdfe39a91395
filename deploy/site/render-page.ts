/** A page of Markdown as HTML: headings with the anchors that GitHub gives them, links that lead to pages of the site. */
import { Marked, type Token, type Tokens } from 'marked';
import { type Linked, linkedFrom, rewritten } from './page-links.ts';

export interface Heading {
  readonly depth: number;
  readonly text: string;
  readonly anchor: string;
}

/** What the search finds: a heading and the text under it. */
export interface Section extends Heading {
  readonly body: string;
}

export interface RenderedPage {
  readonly source: string;
  readonly title: string;
  readonly html: string;
  readonly sections: readonly Section[];
  readonly links: readonly Linked[];
}

/** `source` is the path of the page in the checkout. */
export function renderPage(source: string, markdown: string, checkout: string): RenderedPage {
  const marked = new Marked();
  const tokens = marked.lexer(markdown);
  const links: Linked[] = [];
  marked.walkTokens(tokens, (token) => {
    const names = token.type === 'link' || token.type === 'image';
    const linked = names ? linkedFrom(source, token.href, checkout) : undefined;
    if (linked) links.push(linked);
  });
  const sections = sectionsOf(tokens);
  const anchors = sections.map(({ anchor }) => anchor).values();
  marked.use({
    renderer: {
      heading({ depth, tokens: inner }) {
        const anchor = anchors.next().value ?? '';
        const mark = `<a class="anchor" href="#${anchor}" aria-label="Link to this section">#</a>`;
        return `<h${depth} id="${anchor}">${this.parser.parseInline(inner)} ${mark}</h${depth}>\n`;
      },
      link({ href, tokens: inner }) {
        const text = this.parser.parseInline(inner);
        const target = rewritten(source, href, checkout);
        return target === undefined ? text : `<a href="${escaped(target)}">${text}</a>`;
      },
      image({ href, text }) {
        const target = rewritten(source, href, checkout) ?? href;
        return `<img src="${escaped(target)}" alt="${escaped(text)}" loading="lazy">`;
      },
      code({ text, lang }) {
        const name = lang ? ` data-language="${escaped(lang)}"` : '';
        return `<pre${name} tabindex="0"><code>${escaped(text)}</code></pre>\n`;
      },
      html({ text }) {
        return escaped(text);
      },
    },
  });
  const html = marked
    .parser(tokens)
    .replaceAll(/<table>[\s\S]*?<\/table>/g, (table) => `<div class="table" tabindex="0">${table}</div>`);
  return { source, title: sections[0]?.text ?? source, html, sections, links };
}

export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function sectionsOf(tokens: readonly Token[]): readonly Section[] {
  const sections: { depth: number; text: string; anchor: string; body: string }[] = [];
  const taken = new Map<string, number>();
  for (const token of tokens) {
    if (token.type === 'heading') {
      const { depth, text } = token as Tokens.Heading;
      const anchor = anchorOf(text);
      const count = taken.get(anchor) ?? 0;
      taken.set(anchor, count + 1);
      const plain = text.replaceAll('`', '');
      sections.push({ depth, text: plain, anchor: count === 0 ? anchor : `${anchor}-${count}`, body: '' });
    } else if (sections.at(-1)) {
      const section = sections.at(-1);
      if (section) section.body += `${token.raw.replaceAll(/[`|*_[\]()#]+|-{3,}/g, ' ')} `;
    }
  }
  return sections.map((section) => ({ ...section, body: section.body.replaceAll(/\s+/g, ' ').trim() }));
}

/** As GitHub makes it. */
function anchorOf(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}
