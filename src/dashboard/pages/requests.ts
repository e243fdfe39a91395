/** The last requests of clients, each with its trail: what was asked where, and what came of it. */
import { html } from 'hono/html';
import type { RequestSummary } from '../../admin/status/status.ts';
import { heading } from '../frame.ts';
import type { Page, View } from '../page.ts';
import { type Html, nothing } from '../parts/html.ts';
import { badge, imageLink, shortDigest, type Tone, when } from '../parts/signs.ts';
import { table } from '../parts/table.ts';
import { trailList } from '../parts/trail.ts';

/** Rows of a page. */
const shown = 100;
const cacheTones: Readonly<Record<string, Tone>> = {
  hit: 'ok',
  joined: 'ok',
  revalidated: 'ok',
  stale: 'warn',
};

export const requestsPage: Page = {
  path: 'requests',
  name: 'requests',
  follows: ['requests'],
  render(view) {
    const { status, texts, query } = view;
    const text = query.get('q')?.trim() || undefined;
    const failed = query.get('failed') === '1';
    const words = texts.requests;
    return html`${heading(texts, texts.pages.requests)}
<form method="get" action="/ui/requests" class="inline" role="search">
<label class="grow">${words.search}<input type="search" name="q" value="${text ?? ''}"></label>
<label class="check"><input type="checkbox" name="failed" value="1"${failed ? html` checked` : nothing}>${words.failedOnly}</label>
<button>${words.filter}</button>
</form>
<section id="requests" data-live>${requestTable(view, status.recent({ text, failed, limit: shown }))}</section>`;
  },
};

/** Newest first. */
function requestTable(view: View, requests: readonly RequestSummary[]): Html {
  const { texts, format } = view;
  const words = texts.requests;
  return table<RequestSummary>({
    caption: texts.pages.requests,
    rows: requests,
    key: ({ id, time }) => `${id} ${time}`,
    empty: words.empty,
    columns: [
      { head: words.time, cell: ({ time }) => when(view, time) },
      { head: words.what, form: 'name', cell: (one) => subjectOf(one) },
      {
        head: words.status,
        cell: ({ status, end, method }) =>
          html`${badge(status >= 500 || end === 'failed' ? 'bad' : status >= 400 ? 'warn' : 'ok', `${method} ${status}`)}${end === 'complete' ? nothing : html`<br><span class="quiet">${words.ends[end]}</span>`}`,
      },
      {
        head: words.cache,
        cell: ({ cache }) =>
          cache === null ? texts.format.none : badge(cacheTones[cache] ?? 'quiet', cache),
      },
      { head: words.bytes, cell: ({ bytes }) => format.bytes(bytes), form: 'number' },
      { head: words.took, cell: ({ ms }) => format.duration(Math.round(ms)), form: 'number' },
      {
        head: words.client,
        form: 'wide',
        cell: ({ client, principal }) =>
          html`${client}${principal === null || principal.kind === 'anonymous' ? nothing : html`<br><span class="quiet">${principal.name}</span>`}`,
      },
      { head: words.trail, cell: (one) => trailOf(view, one), form: 'wide' },
    ],
  });
}

function subjectOf({ image, reference, kind, path }: RequestSummary): Html {
  if (image === null) return html`<code>${path}</code>`;
  const isDigest = reference?.includes(':') ?? false;
  return html`${imageLink(image, isDigest ? undefined : reference)}<br><span class="quiet">${kind ?? ''}</span> ${isDigest && reference !== null ? shortDigest(reference) : nothing}`;
}

function trailOf(view: View, { trail, reason, endpoint }: RequestSummary): Html {
  const words = view.texts.requests;
  const why = reason === null ? nothing : html`<p class="reason">${reason}</p>`;
  if (trail.length === 0) return html`${why}<span class="quiet">${endpoint ?? words.noTrail}</span>`;
  return html`${why}<details><summary>${words.asked(trail.length)}</summary>${trailList(view, trail)}</details>`;
}
