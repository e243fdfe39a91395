/** Upstreams by health: the ones that need attention first. */
import { html } from 'hono/html';
import type { EndpointStatus } from '../../admin/status/status.ts';
import type { View } from '../page.ts';
import { type Html, link, nothing } from './html.ts';
import { badge } from './signs.ts';
import { type Column, table } from './table.ts';

const tones = { closed: 'ok', open: 'bad', 'half-open': 'warn' } as const;
/** Outcomes that are no failure of the endpoint. */
const good: ReadonlySet<string> = new Set(['ok', 'notFound']);

export interface EndpointTableOptions {
  /** What stands in the place of a table without hosts. */
  readonly empty: string;
  /** Each host leads to its own page. */
  readonly isLinked: boolean;
  /** All columns. */
  readonly isWhole: boolean;
}

/** A table of hosts. */
export function endpointTable(
  view: View,
  endpoints: readonly EndpointStatus[],
  { empty, isLinked, isWhole }: EndpointTableOptions,
): Html {
  const { texts, format } = view;
  const words = texts.endpoint;
  const none = texts.format.none;
  return table<EndpointStatus>({
    caption: texts.overview.upstreams,
    rows: endpoints.toSorted((a, b) => rank(a) - rank(b)),
    key: ({ host }) => host,
    empty,
    columns: [
      {
        head: words.host,
        form: 'name',
        cell: ({ host }) => (isLinked ? html`<a href="${link('endpoints', { host })}">${host}</a>` : host),
      },
      ...(isWhole ? [roleColumn(view)] : []),
      { head: words.state, cell: (one) => stateOf(view, one) },
      {
        head: words.usual,
        cell: ({ usualMs }) => (usualMs === null ? none : format.duration(Math.round(usualMs))),
        form: 'number',
      },
      {
        head: words.requests,
        cell: ({ requests }) => format.count(sum(requests, () => true)),
        form: 'number',
      },
      {
        head: words.failed,
        cell: (one) => format.count(failuresOf(one)),
        form: 'number',
      },
      ...(isWhole ? [receivedColumn(view)] : []),
    ],
  });
}

function roleColumn({ texts }: View): Column<EndpointStatus> {
  const words = texts.endpoint;
  return {
    head: words.role,
    cell: ({ roles }) => roles.map((role) => words.roles[role]).join(', '),
    form: 'wide',
  };
}

function receivedColumn({ texts, format }: View): Column<EndpointStatus> {
  return {
    head: texts.endpoint.received,
    cell: ({ receivedBytes }) => format.bytes(receivedBytes),
    form: 'wideNumber',
  };
}

function stateOf(
  { texts, format }: View,
  { breaker, cooling, remaining, limit, lastFailure }: EndpointStatus,
): Html {
  const words = texts.endpoint;
  const state =
    cooling > 0
      ? badge('warn', words.cooling(format.duration(cooling * 1000)))
      : badge(tones[breaker], words.breakers[breaker]);
  const budget =
    remaining === null
      ? nothing
      : html` <span class="quiet">${format.count(remaining)}${limit === null ? '' : ` / ${format.count(limit)}`}</span>`;
  const failure =
    breaker === 'closed' || lastFailure === null
      ? nothing
      : html`<br><span class="quiet">${lastFailure}</span>`;
  return html`${state}${budget}${failure}`;
}

function rank({ breaker, cooling }: EndpointStatus): number {
  if (breaker === 'open') return 0;
  return breaker === 'half-open' || cooling > 0 ? 1 : 2;
}

function failuresOf({ requests, faults }: EndpointStatus): number {
  return sum(requests, (outcome) => !good.has(outcome)) + faults.invalid + faults.unreachable;
}

function sum(requests: EndpointStatus['requests'], counts: (outcome: string) => boolean): number {
  return Object.entries(requests).reduce((all, [outcome, n]) => all + (counts(outcome) ? n : 0), 0);
}
