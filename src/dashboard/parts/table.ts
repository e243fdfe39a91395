/** Tables: aligned numbers, rows that keep their identity when a page is made live, and a sentence where there are no rows. */
import { html } from 'hono/html';
import { type Html, nothing } from './html.ts';

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => Html | string;
  /** `number`: right-aligned; `wide`: left out on narrow screens; `name`: heads the row. */
  readonly form?: 'number' | 'wide' | 'name' | 'wideNumber';
}

export interface TableOptions<Row> {
  /** For screen readers, and for the region that scrolls on narrow screens. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** What a row is, among the others. */
  readonly key?: (row: Row) => string;
  /** In the place of a table without rows: it says what to do next. */
  readonly empty?: Html | string;
}

const classes = { number: 'num', wide: 'wide', name: 'name', wideNumber: 'num wide' } as const;

/** A table that scrolls in itself where the screen is too narrow. */
export function table<Row>(options: TableOptions<Row>): Html {
  const { caption, columns, rows, key, empty } = options;
  if (rows.length === 0 && empty !== undefined) return html`<p class="empty">${empty}</p>`;
  return html`<div class="scroll" role="group" aria-label="${caption}" tabindex="0"><table>
<caption class="hidden">${caption}</caption>
<thead><tr>${columns.map(({ head, form }) => html`<th scope="col"${classOf(form)}>${head}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr${key ? html` data-key="${key(row)}"` : nothing}>${columns.map((column) => cellOf(column, row))}</tr>`)}</tbody>
</table></div>`;
}

function cellOf<Row>({ cell, form }: Column<Row>, row: Row): Html {
  if (form === 'name') return html`<th scope="row" class="name">${cell(row)}</th>`;
  return html`<td${classOf(form)}>${cell(row)}</td>`;
}

function classOf(form: Column<never>['form']): Html {
  return form === undefined ? nothing : html` class="${classes[form]}"`;
}
