/** One image: its tags, platforms, layers and referrers; where each part came from, and which other images have it, too. */
import { html } from 'hono/html';
import type { ContentDetails, ImageDetails, PlatformDetails } from '../../admin/image-details.ts';
import type { ListedImage } from '../../admin/listed-images.ts';
import { EntrepotError } from '../../errors.ts';
import { heading } from '../frame.ts';
import type { Page, View } from '../page.ts';
import { buttonForm } from '../parts/forms.ts';
import { type Html, link, nothing } from '../parts/html.ts';
import { badge, imageLink, imageSigns, shortDigest, when } from '../parts/signs.ts';
import { table } from '../parts/table.ts';

export const imagePage: Page = {
  path: 'image',
  name: 'image',
  under: 'images',

  async render(view) {
    const { commands, texts, query } = view;
    const reference = query.get('reference') ?? '';
    const words = texts.image;
    const found = await commands.image(reference).catch((error: unknown) => {
      if (error instanceof EntrepotError && error.code === 'NOT_CACHED') return undefined;
      throw error;
    });
    if (!found) {
      return html`${heading(texts, reference)}<p class="empty">${words.absent} <code>entrepot pull ${reference}</code></p>
<p><a href="${link('explain', { reference })}">${words.explain}</a></p>`;
    }
    const { image, manifest } = found;
    return html`${heading(texts, found.reference)}
<div class="inline">${manifest === null ? nothing : html`<a class="button" href="${link('image', { reference: image })}">${words.repository}</a>`}
<a class="button" href="${link('explain', { reference: found.reference })}">${words.explain}</a>${view.mayChange ? changes(view, found) : nothing}</div>
${manifest === null ? nothing : facts(view, found, manifest)}
${found.platforms.map((platform, at) => platformSection(view, platform, at === 0))}
${manifest === null ? nothing : referrers(view, found.referrers)}
<section><h2>${words.tags}</h2>${tagTable(view, found.tags)}</section>`;
  },

  actions: {
    async purge({ commands, texts, format }, form) {
      const what = form.get('what') ?? '';
      const reports = await commands.purge(what, { pinned: false, hosted: form.get('hosted') === '1' });
      const kept = reports.flatMap((report) => [...report.kept, ...report.hosted]);
      const bytes = reports.reduce((sum, report) => sum + report.bytes, 0);
      const notice = texts.image.purged(what, format.bytes(bytes));
      const to = { path: 'images' };
      return { notice: kept.length === 0 ? notice : `${notice} ${texts.image.kept(kept.join(', '))}`, to };
    },
    async pin({ commands, texts }, form) {
      const what = form.get('what') ?? '';
      await commands.pin(what);
      return { notice: texts.image.pinnedNow(what) };
    },
    async unpin({ commands, texts }, form) {
      const what = form.get('what') ?? '';
      await commands.unpin(what);
      return { notice: texts.image.unpinnedNow(what) };
    },
  },
};

/** Buttons for the tag, or the whole repository, that the page is about. */
function changes({ texts }: View, { reference, tags, manifest, image }: ImageDetails): Html {
  const words = texts.image;
  const isDigest = reference.includes('@');
  const here = tags.filter(
    ({ tag, digest }) =>
      manifest === null || (isDigest ? digest === manifest.digest : reference === `${image}:${tag}`),
  );
  const isPinned = here.length > 0 && here.every(({ pinned }) => pinned);
  const isHosted = here.some(({ hosted }) => hosted);
  const form = { page: 'image', query: { reference }, fields: { what: reference } };
  const pin = isDigest
    ? nothing
    : isPinned
      ? buttonForm({ ...form, action: 'unpin', label: words.unpin, tone: 'usual' })
      : buttonForm({ ...form, action: 'pin', label: words.pin, tone: 'usual' });
  const purge = isPinned
    ? nothing
    : html`<details class="confirm"><summary class="button">${words.purge}</summary><div class="panel"><p>${isHosted ? words.purgeHosted : words.purgeLead}</p>${buttonForm({ ...form, fields: { what: reference, ...(isHosted && { hosted: '1' }) }, action: 'purge', label: words.purgeNow, tone: 'danger' })}</div></details>`;
  return html`${pin}${purge}`;
}

function facts(
  view: View,
  { platforms, tags, reference, image }: ImageDetails,
  manifest: ContentDetails,
): Html {
  const { texts, format } = view;
  const words = texts.image;
  const named = tags.find(({ tag, digest }) => reference === `${image}:${tag}` || digest === manifest.digest);
  const rows: readonly (readonly [string, Html | string])[] = [
    [words.digest, html`<code>${manifest.digest}</code>`],
    [words.type, manifest.mediaType ?? texts.format.none],
    [words.from, manifest.from ?? texts.format.none],
    [words.platforms, format.count(platforms.length)],
    ...(named
      ? ([
          [words.size, html`${format.bytes(named.bytes)} ${imageSigns(texts, named)}`],
          [words.used, when(view, named.lastUsed)],
          [words.checked, when(view, named.checked)],
        ] as const)
      : []),
  ];
  return html`<dl class="facts panel">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** The manifest of a platform, with its config and layers. */
function platformSection(
  view: View,
  { platform, contents, ...manifest }: PlatformDetails,
  isOpen: boolean,
): Html {
  const { texts, format } = view;
  const words = texts.image;
  const here = contents.filter(({ isHere }) => isHere).length;
  const size = contents.reduce((sum, one) => sum + (one.size ?? 0), 0);
  const state =
    contents.length === 0
      ? badge('quiet', words.notHere)
      : badge(
          here === contents.length ? 'ok' : 'warn',
          words.parts(here, contents.length, format.bytes(size)),
        );
  return html`<section><details${isOpen ? html` open` : nothing}><summary class="platform"><h2>${platform ?? words.manifest}</h2> ${state}</summary>
${contentTable(view, platform ?? words.manifest, [manifest, ...contents], words.layers)}</details></section>`;
}

function referrers(view: View, all: readonly ContentDetails[]): Html {
  const words = view.texts.image;
  return html`<section><h2>${words.referrers}</h2>${all.length === 0 ? html`<p class="quiet">${words.noReferrers}</p>` : contentTable(view, words.referrers, all, words.noReferrers)}</section>`;
}

function contentTable(view: View, caption: string, rows: readonly ContentDetails[], empty: string): Html {
  const { texts, format } = view;
  const words = texts.image;
  return table<ContentDetails>({
    caption,
    rows,
    empty,
    columns: [
      { head: words.content, form: 'name', cell: ({ digest }) => shortDigest(digest) },
      { head: words.type, cell: ({ mediaType }) => kindOf(mediaType ?? texts.format.none), form: 'wide' },
      {
        head: words.size,
        form: 'number',
        cell: ({ size }) => (size === null ? texts.format.none : format.bytes(size)),
      },
      {
        head: words.state,
        cell: ({ isHere }) => (isHere ? badge('ok', words.here) : badge('quiet', words.notHere)),
      },
      { head: words.from, cell: ({ from }) => from ?? texts.format.none, form: 'wide' },
      { head: words.shared, cell: (one) => shared(view, one) },
    ],
  });
}

/** `vnd.oci.image.layer.v1.tar+gzip` without what all of them begin with. */
function kindOf(mediaType: string): string {
  return mediaType.replace(/^application\/(?:vnd\.(?:oci|docker)\.)?/, '');
}

function shared({ texts, format }: View, { sharedWith, sharedBy }: ContentDetails): Html {
  if (sharedBy === 0) return html`<span class="quiet">${texts.image.alone}</span>`;
  return html`<details><summary>${texts.image.others(format.count(sharedBy), sharedBy)}</summary>${sharedWith.map((image) => html`${imageLink(image)}<br>`)}${sharedBy > sharedWith.length ? '…' : nothing}</details>`;
}

function tagTable(view: View, tags: readonly ListedImage[]): Html {
  const { texts, format } = view;
  const words = texts.image;
  return table<ListedImage>({
    caption: words.tags,
    rows: tags,
    key: ({ tag, digest }) => tag ?? digest,
    columns: [
      {
        head: words.tag,
        form: 'name',
        cell: (one) =>
          html`<a href="${link('image', { reference: one.tag === null ? `${one.image}@${one.digest}` : `${one.image}:${one.tag}` })}">${one.tag ?? words.untagged}</a> ${imageSigns(texts, one)}`,
      },
      { head: words.digest, cell: ({ digest }) => shortDigest(digest) },
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
