/** What takes space: the cache and its limits, quotas, pins, repositories, and what eviction takes next. */
import { html } from 'hono/html';
import type { PinList } from '../../admin/administration.ts';
import type { EvictedNext } from '../../admin/evictions.ts';
import type { Overview } from '../../admin/status/status.ts';
import type { Usage, UsageOf } from '../../admin/usage.ts';
import { heading } from '../frame.ts';
import type { Page, View } from '../page.ts';
import { buttonForm } from '../parts/forms.ts';
import { type Html, link, nothing } from '../parts/html.ts';
import { bar, imageLink, shortDigest, type Tile, tiles, when } from '../parts/signs.ts';
import { table } from '../parts/table.ts';

/** Rows of the two long tables. */
const shown = { evictions: 25, repositories: 25 };

export const diskPage: Page = {
  path: 'disk',
  name: 'disk',
  follows: ['overview'],

  async render(view) {
    const { commands, status, texts } = view;
    const words = texts.disk;
    const [usage, pins, next, overview] = await Promise.all([
      commands.usage(),
      commands.pins(),
      commands.evictions(shown.evictions),
      status.overview(),
    ]);
    const largest = usage.repositories.toSorted((a, b) => b.bytes - a.bytes).slice(0, shown.repositories);
    return html`${heading(texts, texts.pages.disk)}
<div id="space" data-live>${tiles(figures(view, usage, overview))}</div>
<div class="columns">
<section id="quotas" data-live><h2>${words.quotas}</h2>${quotaTable(view, usage)}</section>
<section id="pins" data-live><h2>${words.pins}</h2>${pinTable(view, pins)}</section>
</div>
<section id="next" data-live><h2>${words.next}</h2><p class="lead">${usage.maxSize === null ? words.nextUnbounded : words.nextLead}</p>${evictionTable(view, next)}</section>
<section id="largest" data-live><h2>${words.largest}</h2>${repositoryTable(view, usage, largest)}</section>`;
  },

  actions: {
    async unpin({ commands, texts }, form) {
      const what = form.get('what') ?? '';
      await commands.unpin(what);
      return { notice: texts.image.unpinnedNow(what) };
    },
    async pin({ commands, texts }, form) {
      const what = form.get('what')?.trim() ?? '';
      const { matches } = await commands.pin(what);
      return { notice: matches ? texts.image.pinnedNow(what) : texts.disk.pinnedAhead(what) };
    },
  },
};

function figures({ texts, format }: View, usage: Usage, { disk }: Overview): readonly Tile[] {
  const words = texts.disk;
  const { maxSize, bytes, contents, manifests, reserved, hosted } = usage;
  return [
    {
      name: words.cache,
      value: format.bytes(bytes),
      note:
        maxSize === null ? words.unbounded : words.of(format.share(bytes, maxSize), format.bytes(maxSize)),
      tone: maxSize !== null && bytes > maxSize * 0.95 ? 'warn' : undefined,
    },
    {
      name: words.contents,
      value: format.count(contents),
      note: words.manifests(format.count(manifests), manifests),
    },
    { name: words.reserved, value: format.bytes(reserved), note: words.reservedNote },
    { name: words.hosted, value: format.bytes(hosted.bytes), note: words.hostedNote },
    {
      name: words.free,
      value: format.bytes(disk.free),
      note: words.freeNote(format.bytes(disk.size), format.bytes(disk.minFree)),
      tone: disk.free < disk.minFree ? 'bad' : undefined,
    },
  ];
}

function quotaTable({ texts, format }: View, { quotas }: Usage): Html {
  const words = texts.disk;
  return table<Usage['quotas'][number]>({
    caption: words.quotas,
    rows: quotas,
    key: ({ match }) => match,
    empty: html`${words.noQuotas} <code>[[cache.quota]]</code>`,
    columns: [
      { head: words.match, cell: ({ match }) => html`<code>${match}</code>`, form: 'name' },
      {
        head: words.used,
        cell: ({ bytes, maxSize }) =>
          bar(bytes, maxSize, words.of(format.share(bytes, maxSize), format.bytes(maxSize))),
      },
      { head: words.size, cell: ({ bytes }) => format.bytes(bytes), form: 'number' },
      { head: words.limit, cell: ({ maxSize }) => format.bytes(maxSize), form: 'number' },
    ],
  });
}

function pinTable({ texts, mayChange }: View, { configured, added }: PinList): Html {
  const words = texts.disk;
  const rows = [
    ...configured.map((pin) => ({ pin, isAdded: false })),
    ...added.map((pin) => ({ pin, isAdded: true })),
  ];
  const form = html`<form method="post" action="/ui/disk/pin" class="inline"><label class="grow">${words.pinWhat}<input name="what" required autocapitalize="none" spellcheck="false"></label><button>${texts.image.pin}</button></form>`;
  return html`${table<(typeof rows)[number]>({
    caption: words.pins,
    rows,
    key: ({ pin }) => pin,
    empty: words.noPins,
    columns: [
      { head: words.match, cell: ({ pin }) => html`<code>${pin}</code>`, form: 'name' },
      { head: words.madeBy, cell: ({ isAdded }) => (isAdded ? words.byCommand : 'entrepot.toml') },
      ...(mayChange
        ? [
            {
              head: texts.jobs.actions,
              cell: ({ pin, isAdded }: (typeof rows)[number]) =>
                isAdded
                  ? buttonForm({
                      page: 'disk',
                      action: 'unpin',
                      fields: { what: pin },
                      label: texts.image.unpin,
                      about: pin,
                    })
                  : nothing,
            },
          ]
        : []),
    ],
  })}${mayChange ? form : nothing}`;
}

function evictionTable(view: View, next: readonly EvictedNext[]): Html {
  const { texts, format } = view;
  const words = texts.disk;
  return table<EvictedNext>({
    caption: words.next,
    rows: next,
    key: ({ digest }) => digest,
    empty: words.nothingNext,
    columns: [
      {
        head: words.what,
        form: 'name',
        cell: ({ images, tags, digest }) =>
          html`${(tags.length > 0 ? tags : images).slice(0, 3).map((name) => html`<a href="${link('image', { reference: name })}">${name}</a><br>`)}${shortDigest(digest)}`,
      },
      { head: words.usedLast, cell: ({ lastUsed }) => when(view, lastUsed) },
      { head: words.parts, cell: ({ contents }) => format.count(contents), form: 'wideNumber' },
      { head: words.size, cell: ({ bytes }) => format.bytes(bytes), form: 'number' },
    ],
  });
}

function repositoryTable({ texts, format }: View, usage: Usage, rows: readonly UsageOf[]): Html {
  const words = texts.disk;
  return table<UsageOf>({
    caption: words.largest,
    rows,
    key: ({ name }) => name,
    empty: texts.images.empty,
    columns: [
      { head: words.repository, cell: ({ name }) => imageLink(name), form: 'name' },
      {
        head: words.share,
        cell: ({ bytes }) => bar(bytes, usage.bytes, format.share(bytes, usage.bytes), 'ok'),
        form: 'wide',
      },
      { head: words.size, cell: ({ bytes }) => format.bytes(bytes), form: 'number' },
      { head: words.contents, cell: ({ contents }) => format.count(contents), form: 'number' },
      { head: words.tags, cell: ({ tags }) => format.count(tags), form: 'number' },
    ],
  });
}
