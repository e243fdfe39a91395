/** Small signs that pages share: badges, tiles of figures, bars, times, names of images and digests. */
import { html } from 'hono/html';
import type { View } from '../page.ts';
import { type Html, link, nothing } from './html.ts';

export type Tone = 'ok' | 'warn' | 'bad' | 'quiet';

/** A word with a mark whose shape differs as well as its colour. */
export function badge(tone: Tone, text: string): Html {
  return html`<span class="badge ${tone}">${text}</span>`;
}

export interface Tile {
  readonly name: string;
  readonly value: string;
  readonly note?: string | undefined;
  readonly tone?: Tone | undefined;
}

/** Figures side by side. */
export function tiles(all: readonly Tile[]): Html {
  return html`<dl class="tiles">${all.map(
    ({ name, value, note, tone }) =>
      html`<div class="tile${tone === undefined ? '' : ` ${tone}`}"><dt>${name}</dt><dd class="value">${value}</dd>${note === undefined ? nothing : html`<dd class="note">${note}</dd>`}</div>`,
  )}</dl>`;
}

/** How much of a whole is used. `label`: what a screen reader says. `always`: a full bar is no warning. */
export function bar(part: number, whole: number, label: string, always?: Tone): Html {
  const share = whole > 0 ? Math.min(1, Math.max(0, part / whole)) : 0;
  const tone = always ?? (share >= 0.95 ? 'bad' : share >= 0.85 ? 'warn' : 'ok');
  return html`<svg class="bar ${tone}" viewBox="0 0 100 1" preserveAspectRatio="none" role="img" aria-label="${label}"><rect class="whole" width="100" height="1"/><rect class="part" width="${(share * 100).toFixed(2)}" height="1"/></svg>`;
}

/** A time as its distance from now; the exact one is in its title. `at`: ISO 8601. */
export function when({ format, clock, texts }: View, at: string | null): Html {
  if (at === null) return html`<span class="quiet">${texts.format.none}</span>`;
  const ms = Date.parse(at);
  return html`<time datetime="${at}" title="${format.time(ms)} UTC">${format.since(ms, clock.now())}</time>`;
}

/** What keeps an image from being evicted. */
export function imageSigns(
  { images }: View['texts'],
  { pinned, hosted }: { pinned: boolean; hosted: boolean },
): Html {
  return html`${pinned ? badge('quiet', images.pinned) : nothing}${hosted ? badge('quiet', images.hosted) : nothing}`;
}

/** The first characters of a digest; the whole is in its title. */
export function shortDigest(digest: string): Html {
  const [, hex = digest] = digest.split(':');
  return html`<code class="digest" title="${digest}">${hex.slice(0, 12)}</code>`;
}

/** A link to the page of an image, or of one tag or digest of it. */
export function imageLink(image: string, reference?: string | null): Html {
  const joined = reference ? `${image}${reference.includes(':') ? '@' : ':'}${reference}` : image;
  const query = { reference: joined };
  return html`<a class="image" href="${link('image', query)}">${image}${reference && !reference.includes(':') ? html`<wbr><span class="tag">:${reference}</span>` : nothing}</a>`;
}
