/** The hosts that are asked: their health, what came of them, and the last trails that name them. */
import { html } from 'hono/html';
import type { EndpointStatus } from '../../admin/status/status.ts';
import { heading } from '../frame.ts';
import type { Page, View } from '../page.ts';
import { endpointTable } from '../parts/endpoint-table.ts';
import { type Html, nothing } from '../parts/html.ts';
import { badge, imageLink, when } from '../parts/signs.ts';
import { table } from '../parts/table.ts';
import { outcomeTone, trailList } from '../parts/trail.ts';

/** Trails of a page. */
const shown = 20;

export const endpointsPage: Page = {
  path: 'endpoints',
  name: 'endpoints',
  follows: ['endpoints', 'requests'],
  async render(view) {
    const { status, texts, query } = view;
    const words = texts.endpoints;
    const host = query.get('host') || undefined;
    const all = await status.endpoints();
    const one = all.find((endpoint) => endpoint.host === host);
    const trails = status
      .recent({})
      .filter(({ trail }) => trail.length > 0)
      .filter(({ trail }) => host === undefined || trail.some(({ endpoint }) => isOf(endpoint, host)))
      .slice(0, shown);
    return html`${heading(texts, host ?? texts.pages.endpoints)}
${host === undefined ? nothing : html`<p><a href="/ui/endpoints">${words.all}</a></p>`}
<section id="hosts" data-live>${one ? outcomes(view, one) : endpointTable(view, all, { empty: texts.overview.upstreamsEmpty, isLinked: true, isWhole: true })}</section>
<section id="trails" data-live><h2>${host === undefined ? words.trails : words.trailsOf(host)}</h2>
${table({
  caption: words.trails,
  rows: trails,
  key: ({ id, time }) => `${id} ${time}`,
  empty: words.noTrails,
  columns: [
    { head: texts.requests.time, cell: ({ time }) => when(view, time), form: 'wide' },
    {
      head: texts.requests.what,
      form: 'name',
      cell: ({ image, reference }) =>
        image === null
          ? texts.format.none
          : imageLink(image, reference?.includes(':') ? undefined : reference),
    },
    { head: texts.requests.trail, cell: ({ trail }) => trailList(view, trail) },
  ],
})}</section>`;
  },
};

/** `endpoint`: `host/repository`. */
function isOf(endpoint: string, host: string): boolean {
  return endpoint === host || endpoint.startsWith(`${host}/`);
}

/** All that is known of one host. */
function outcomes(view: View, endpoint: EndpointStatus): Html {
  const { texts, format } = view;
  const words = texts.endpoint;
  const { requests, faults, lastFailure } = endpoint;
  const rows = [
    ...Object.entries(requests),
    [words.invalidBody, faults.invalid] as const,
    [words.brokenBody, faults.unreachable] as const,
  ].filter(([, n]) => n > 0);
  return html`${endpointTable(view, [endpoint], { empty: '', isLinked: false, isWhole: true })}
${lastFailure === null ? nothing : html`<p>${words.lastFailure}: ${lastFailure}</p>`}
<h2>${texts.endpoints.outcomes}</h2>${table<readonly [string, number]>({
    caption: texts.endpoints.outcomes,
    rows,
    key: ([outcome]) => outcome,
    empty: texts.overview.upstreamsEmpty,
    columns: [
      {
        head: texts.endpoints.outcome,
        cell: ([outcome]) => badge(outcomeTone(outcome), outcome),
        form: 'name',
      },
      { head: words.requests, cell: ([, n]) => format.count(n), form: 'number' },
    ],
  })}`;
}
