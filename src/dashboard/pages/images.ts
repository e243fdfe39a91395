/** What can be pulled from the cache, found by a part of its name. */
import { html } from 'hono/html';
import type { ListedImage } from '../../admin/listed-images.ts';
import { isGlob } from '../../config/named-images.ts';
import { heading } from '../frame.ts';
import type { Page, View } from '../page.ts';
import { firstRows } from '../parts/first-rows.ts';
import { type Html, nothing } from '../parts/html.ts';
import { orProblem } from '../parts/or-problem.ts';
import { badge, imageLink, imageSigns, shortDigest, when } from '../parts/signs.ts';
import { table } from '../parts/table.ts';

/** Rows of a page. */
const shown = 100;

export const imagesPage: Page = {
  path: 'images',
  name: 'images',

  render(view) {
    const { texts, query } = view;
    const words = texts.images;
    const text = query.get('q')?.trim() ?? '';
    return html`${heading(texts, texts.pages.images)}
<form method="get" action="/ui/images" class="inline" role="search">
<label class="grow">${words.search}<input type="search" name="q" value="${text}" placeholder="alpine" autocapitalize="none" spellcheck="false"></label>
<button class="primary">${words.find}</button></form>
${orProblem(view, () => found(view, text))}`;
  },
};

async function found(view: View, text: string): Promise<Html> {
  const { commands, texts, format } = view;
  const words = texts.images;
  const { rows, hasMore } = await firstRows(commands.list(text === '' ? undefined : globOf(text)), shown);
  return html`${imageTable(view, rows, text === '' ? words.empty : words.none(text))}
${hasMore ? html`<p class="quiet">${words.more(format.count(shown))}</p>` : nothing}`;
}

/** A part of a name is searched anywhere in `registry/repository:tag`; a glob is taken as it is. Throws nothing. */
function globOf(text: string): string {
  if (isGlob(text)) return text;
  return `{,**/}*${text.replaceAll(/[^\w./:@+-]/g, '')}{*,*/**}`;
}

function imageTable(view: View, rows: readonly ListedImage[], empty: string): Html {
  const { texts, format } = view;
  const words = texts.images;
  return table<ListedImage>({
    caption: texts.pages.images,
    rows,
    key: ({ image, tag, digest }) => `${image} ${tag ?? digest}`,
    empty,
    columns: [
      {
        head: words.image,
        form: 'name',
        cell: (one) =>
          html`${imageLink(one.image, one.tag ?? one.digest)}${one.tag === null ? html` ${shortDigest(one.digest)}` : nothing} ${imageSigns(texts, one)}`,
      },
      { head: words.here, cell: (one) => completeness(view, one) },
      {
        head: words.platforms,
        cell: ({ platforms }) => platforms.map(({ platform }) => platform).join(', '),
        form: 'wide',
      },
      { head: words.size, cell: ({ bytes }) => format.bytes(bytes), form: 'number' },
      { head: words.from, cell: ({ from }) => from, form: 'wide' },
      { head: words.used, cell: ({ lastUsed }) => when(view, lastUsed) },
    ],
  });
}

function completeness({ texts, format }: View, { complete, here, needed }: ListedImage): Html {
  if (complete) return badge('ok', texts.images.whole);
  return badge('warn', texts.images.part(format.count(here), format.count(needed)));
}
