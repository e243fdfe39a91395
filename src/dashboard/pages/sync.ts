/** How far each repository of the `[[sync]]` blocks has followed its registry, and its tags. */
import { html } from 'hono/html';
import type { ListedReplica, ListedRepository } from '../../admin/replica-commands.ts';
import { replicaStates } from '../../cache/index/replicas/replica-store.ts';
import { heading } from '../frame.ts';
import type { Page, View } from '../page.ts';
import { firstRows } from '../parts/first-rows.ts';
import { buttonForm } from '../parts/forms.ts';
import { type Html, link, nothing } from '../parts/html.ts';
import { orProblem } from '../parts/or-problem.ts';
import { badge, bar, imageLink, shortDigest, type Tone, when } from '../parts/signs.ts';
import { stateFilter } from '../parts/state-filter.ts';
import { table } from '../parts/table.ts';

/** Rows of a page. */
const shown = 100;
const tones: Readonly<Record<ListedReplica['state'], Tone>> = {
  pending: 'quiet',
  running: 'ok',
  done: 'ok',
  partial: 'warn',
  failed: 'bad',
};

export const syncPage: Page = {
  path: 'sync',
  name: 'sync',
  follows: ['overview'],

  render(view) {
    const { texts, query, mayChange } = view;
    const words = texts.sync;
    const image = query.get('image') || undefined;
    const state = query.get('state') || undefined;
    const filter = {
      page: 'sync',
      fields: image === undefined ? {} : { image },
      states: replicaStates,
      words: { ...texts.jobs, states: texts.sync.states },
    };
    const resync = mayChange
      ? buttonForm({
          page: 'sync',
          action: 'resync',
          fields: image === undefined ? {} : { match: image },
          query: { image },
          label: image === undefined ? words.resyncAll : words.resync,
        })
      : nothing;
    return html`${heading(texts, image ?? texts.pages.sync, resync)}
${image === undefined ? nothing : html`<p><a href="/ui/sync">${words.all}</a></p>`}
${stateFilter(filter, state)}
<section id="replicas" data-live>${orProblem(view, () => list(view, image, state))}</section>`;
  },

  actions: {
    async resync({ commands, texts }, form) {
      const { jobs } = await commands.replicas.resync(form.get('match') || undefined);
      return { notice: texts.sync.resynced(jobs) };
    },
  },
};

/** Repositories, or the tags of one image. */
async function list(view: View, image: string | undefined, state: string | undefined): Promise<Html> {
  const { commands, texts, format } = view;
  const more = (has: boolean) =>
    has ? html`<p class="quiet">${texts.jobs.more(format.count(shown))}</p>` : nothing;
  if (image === undefined) {
    const { rows, hasMore } = await firstRows(commands.replicas.repositories({ state }), shown);
    return html`${repositoryTable(view, rows)}${more(hasMore)}`;
  }
  const { rows, hasMore } = await firstRows(commands.replicas.tags({ match: image, state }), shown);
  return html`${tagTable(view, rows)}${more(hasMore)}`;
}

function repositoryTable(view: View, rows: readonly ListedRepository[]): Html {
  const { texts, format } = view;
  const words = texts.sync;
  return table<ListedRepository>({
    caption: texts.pages.sync,
    rows,
    key: ({ image }) => image,
    empty: html`${words.empty} <code>[[sync]]</code>`,
    columns: [
      {
        head: words.repository,
        form: 'name',
        cell: ({ image, reason }) =>
          html`<a href="${link('sync', { image })}">${image}</a>${reason === null ? nothing : html`<br><span class="quiet">${reason}</span>`}`,
      },
      { head: words.state, cell: ({ state }) => badge(tones[state], words.states[state]) },
      {
        head: words.tags,
        cell: ({ done, tags }) =>
          html`${words.of(format.count(done), format.count(tags))}${bar(done, tags, words.of(format.count(done), format.count(tags)), 'ok')}`,
      },
      { head: words.bytes, cell: ({ bytes }) => format.bytes(bytes), form: 'wideNumber' },
      { head: words.verified, cell: ({ verified }) => when(view, verified) },
      { head: words.next, cell: ({ nextAttempt }) => when(view, nextAttempt), form: 'wide' },
    ],
  });
}

function tagTable(view: View, rows: readonly ListedReplica[]): Html {
  const { texts, format } = view;
  const words = texts.sync;
  const digest = (one: string | null) => (one === null ? texts.format.none : shortDigest(one));
  return table<ListedReplica>({
    caption: words.tags,
    rows,
    key: ({ image, tag, sync }) => `${image}:${tag} ${sync}`,
    empty: html`${words.empty} <code>[[sync]]</code>`,
    columns: [
      {
        head: words.tag,
        form: 'name',
        cell: ({ image, tag, reason }) =>
          html`${tag === null ? words.list : imageLink(image, tag)}${reason === null ? nothing : html`<br><span class="quiet">${reason}</span>`}`,
      },
      { head: words.state, cell: ({ state }) => badge(tones[state], words.states[state]) },
      { head: words.block, cell: ({ sync }) => sync, form: 'wide' },
      { head: words.wanted, cell: ({ wanted }) => digest(wanted), form: 'wide' },
      { head: words.here, cell: ({ here }) => digest(here) },
      { head: words.attempts, cell: ({ attempts }) => format.count(attempts), form: 'wideNumber' },
      { head: words.changed, cell: ({ changed }) => when(view, changed), form: 'wide' },
      { head: words.done, cell: ({ done }) => when(view, done) },
    ],
  });
}
