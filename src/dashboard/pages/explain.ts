/** Which endpoints an image would be asked of, in order, and why: as `entrepot explain`, drawn. No host is asked. */
import { html } from 'hono/html';
import { type Explanation, explanationOf, type PlacedEndpoint } from '../../admin/explanation.ts';
import { readReference } from '../../config/named-images.ts';
import { formatReference } from '../../oci/reference.ts';
import { heading, message } from '../frame.ts';
import type { Page, View } from '../page.ts';
import { type Html, link, nothing } from '../parts/html.ts';
import { orProblem } from '../parts/or-problem.ts';
import { badge } from '../parts/signs.ts';
import { table } from '../parts/table.ts';

export const explainPage: Page = {
  path: 'explain',
  name: 'explain',

  render(view) {
    const { texts, query } = view;
    const words = texts.explain;
    const given = query.get('reference')?.trim() ?? '';
    return html`${heading(texts, texts.pages.explain)}
<p class="lead">${words.lead}</p>
<form method="get" action="/ui/explain" class="inline"><label class="grow">${words.reference}<input name="reference" value="${given}" placeholder="docker.io/library/alpine:3.22" required autocapitalize="none" spellcheck="false"></label><button class="primary">${words.submit}</button></form>
${given === '' ? nothing : orProblem(view, () => explained(view, explanationOf(given, readReference(given), view.config())))}`;
  },
};

function explained(view: View, explanation: Omit<Explanation, 'access'>): Html {
  const { texts } = view;
  const words = texts.explain;
  const { reference, match, refusal, endpoints, leftOut, pushRule, shard } = explanation;
  const rows: readonly (readonly [string, Html | string])[] = [
    [
      words.means,
      html`<a href="${link('image', { reference: formatReference(reference) })}"><code>${formatReference(reference)}</code></a>`,
    ],
    [words.prefix, match ? html`<code>${match.entry.prefix}</code>` : words.noPrefix],
    ...(pushRule ? ([[words.push, html`<code>${pushRule.match}</code> ${pushRule.mode}`]] as const) : []),
    ...(shard === undefined ? [] : ([[words.shard, String(shard)]] as const)),
  ];
  return html`${refusal === undefined ? nothing : message('problem', refusal, words.refused)}
<dl class="facts panel">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
${endpoints.length === 0 ? html`<p class="empty">${words.nothing}</p>` : html`<section><h2>${words.order}</h2>${drawing(words, reference.registry, endpoints)}${endpointTable(view, endpoints, refusal !== undefined)}</section>`}
${leftOut.length === 0 ? nothing : html`<section><h2>${words.leftOut}</h2><ul>${leftOut.map(({ mirror, reason }) => html`<li><code>${mirror.location}</code>: ${reason}</li>`)}</ul></section>`}`;
}

const row = 44;
const left = 150;

/** The client, Entrepot, and a line to each endpoint; the table below says the same in words. */
function drawing(
  words: View['texts']['explain'],
  registry: string,
  endpoints: readonly PlacedEndpoint[],
): Html {
  const height = endpoints.length * row + 12;
  const middle = height / 2;
  const label = words.drawing(endpoints.map(({ endpoint }) => endpoint.location).join(', '));
  return html`<div class="scroll" role="group" aria-label="${words.order}" tabindex="0"><svg class="drawing" width="640" height="${String(height)}" viewBox="0 0 640 ${String(height)}" role="img" aria-label="${label}">
<text class="node" x="12" y="${String(middle - 4)}">${registry}</text><text class="quiet" x="12" y="${String(middle + 14)}">${words.asked}</text>
${endpoints.map(({ endpoint }, at) => {
  const y = at * row + row / 2 + 6;
  const isBlocked = endpoint.blockedBy !== undefined;
  const kind = isBlocked ? 'blocked' : at === 0 ? 'first' : 'next';
  const path = `M${left} ${middle}C${left + 60} ${middle} ${left + 50} ${y} ${left + 110} ${y}`;
  return html`<path class="way ${kind}" d="${path}"/><circle class="step ${kind}" cx="${String(left + 122)}" cy="${String(y)}" r="11"/><text class="number" x="${String(left + 122)}" y="${String(y + 4)}">${String(at + 1)}</text>
<text class="node" x="${String(left + 142)}" y="${String(y - 2)}">${endpoint.location}</text><text class="quiet" x="${String(left + 142)}" y="${String(y + 14)}">${words.roles[endpoint.role]}${endpoint.insecure ? `, ${words.insecure}` : ''}${isBlocked ? `, ${words.blocked}` : ''}</text>`;
})}</svg></div>`;
}

function endpointTable({ texts }: View, endpoints: readonly PlacedEndpoint[], isRefused: boolean): Html {
  const words = texts.explain;
  const numbered = endpoints.map((one, at) => ({ ...one, number: at + 1 }));
  return table<(typeof numbered)[number]>({
    caption: words.order,
    rows: numbered,
    columns: [
      { head: words.number, cell: ({ number }) => String(number), form: 'number' },
      {
        head: words.askedFor,
        form: 'name',
        cell: ({ endpoint }) => html`<code>${formatReference(endpoint.reference)}</code>`,
      },
      { head: words.role, cell: ({ endpoint }) => words.roles[endpoint.role] },
      {
        head: words.state,
        cell: ({ endpoint }) => {
          if (endpoint.blockedBy !== undefined) return badge('bad', words.blocked);
          if (isRefused) return badge('quiet', words.notAsked);
          return endpoint.insecure ? badge('warn', words.insecure) : badge('ok', words.asks);
        },
      },
      {
        head: words.written,
        form: 'wide',
        cell: ({ origin }) =>
          origin ? html`<code>${origin.file}:${String(origin.line)}</code>` : texts.format.none,
      },
    ],
  });
}
