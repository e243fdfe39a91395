/** Cold blobs on their way in, as they come. */
import { html } from 'hono/html';
import type { TransferStatus } from '../../admin/status/status.ts';
import { heading } from '../frame.ts';
import type { Page, View } from '../page.ts';
import type { Html } from '../parts/html.ts';
import { badge, bar, imageLink, shortDigest, when } from '../parts/signs.ts';
import { table } from '../parts/table.ts';

const tones = { filling: 'ok', verifying: 'ok', verified: 'ok', relaying: 'warn' } as const;

export const transfersPage: Page = {
  path: 'transfers',
  name: 'transfers',
  follows: ['transfers'],
  render(view) {
    const { status, texts } = view;
    return html`${heading(texts, texts.pages.transfers)}
<p class="lead">${texts.transfers.lead}</p>
<section id="transfers" data-live>${transferTable(view, status.transfers())}</section>`;
  },
};

function transferTable(view: View, transfers: readonly TransferStatus[]): Html {
  const { texts, format } = view;
  const words = texts.transfers;
  return table<TransferStatus>({
    caption: texts.pages.transfers,
    rows: transfers,
    key: ({ digest }) => digest,
    empty: words.empty,
    columns: [
      {
        head: words.image,
        form: 'name',
        cell: ({ images, digest }) =>
          html`${images.map((image) => html`${imageLink(image)}<br>`)}${shortDigest(digest)}`,
      },
      { head: words.state, cell: ({ state }) => badge(tones[state], words.states[state]) },
      { head: words.progress, cell: (one) => progress(view, one) },
      {
        head: words.rate,
        form: 'number',
        cell: ({ bytesPerSecond }) =>
          bytesPerSecond === null ? texts.format.none : `${format.bytes(bytesPerSecond)}/s`,
      },
      { head: words.readers, cell: ({ readers }) => format.count(readers), form: 'number' },
      { head: words.endpoint, cell: ({ endpoints }) => endpoints.join(', '), form: 'wide' },
      { head: words.began, cell: ({ began }) => when(view, began), form: 'wide' },
    ],
  });
}

function progress({ texts, format }: View, { size, present }: TransferStatus): Html {
  if (size === null) return html`${format.bytes(present)}`;
  const label = texts.transfers.of(format.bytes(present), format.bytes(size));
  return html`${label}${bar(present, size, label, 'ok')}`;
}
