/**
 * A chart over time as SVG, made here, with the same numbers in a table beside it. The plot alone is stretched to the width that there
 * is; its labels are text of the page, so that they stay readable on narrow screens.
 */
import { html } from 'hono/html';
import type { View } from '../page.ts';
import { type Html, nothing } from './html.ts';
import { table } from './table.ts';

export interface Line {
  readonly label: string;
  /** Of the stylesheet: `a`, `b`, or `bad`. */
  readonly tone: 'a' | 'b' | 'bad';
  /** One for each time; null where nothing was measured. */
  readonly values: readonly (number | null)[];
  /** The space below the line is filled. */
  readonly isFilled?: boolean;
}

export interface ChartOptions {
  readonly title: string;
  /** Over which time, for the title. */
  readonly span: string;
  /** Epoch ms, in equal distances. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly show: (value: number) => string;
  /** Steps of the scale are powers of 1024 instead of 1000. */
  readonly isBytes?: boolean;
}

interface Point {
  /** Which of the times. */
  readonly at: number;
  readonly height: string;
}

const width = 600;
const height = 120;

/** A figure with its legend and table. */
export function chart(view: View, options: ChartOptions): Html {
  const { texts, format } = view;
  const { title, span, times, lines, show, isBytes = false } = options;
  const most = Math.max(0, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const top = roundUp(most, isBytes);
  const ticks = [top, top / 2, 0];
  const first = times[0] ?? 0;
  const last = times.at(-1) ?? 0;
  const marks = [first, (first + last) / 2, last];
  const summary = lines.map(({ label, values }) => `${label}: ${show(lastOf(values))}`).join(', ');
  const rows = times.map((time, at) => ({ time, values: lines.map(({ values }) => values[at] ?? null) }));
  return html`<figure class="chart">
<figcaption><strong>${title}</strong> <span class="quiet">${span}</span>
<span class="legend">${lines.map(({ label, tone, values }) => html`<span class="key ${tone}">${label} <b>${show(lastOf(values))}</b></span>`)}</span></figcaption>
<div class="plot"><div class="scale" aria-hidden="true">${ticks.map((tick) => html`<span>${show(tick)}</span>`)}</div>
<svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img" aria-label="${title}, ${span}. ${summary}">
${[0.25, 0.5, 0.75, 1].map((part) => html`<line class="grid" x1="0" x2="${width}" y1="${y(part, 1)}" y2="${y(part, 1)}"/>`)}
${lines.map((line) => lineOf(line, top))}
</svg></div>
<div class="times" aria-hidden="true">${marks.map((time) => html`<span>${format.clock(time)}</span>`)}</div>
<details><summary>${texts.overview.asTable}</summary>${table({
    caption: title,
    rows: rows.filter(({ values }) => values.some((value) => value !== null)).reverse(),
    columns: [
      { head: texts.overview.time, cell: ({ time }) => format.time(time), form: 'name' },
      ...lines.map(({ label }, at) => ({
        head: label,
        cell: ({ values }: { values: readonly (number | null)[] }) => show(values[at] ?? 0),
        form: 'number' as const,
      })),
    ],
  })}</details>
</figure>`;
}

function lineOf({ values, tone, isFilled }: Line, top: number): Html {
  const last = values.length - 1;
  const x = (at: number) => (last > 0 ? (at * width) / last : 0).toFixed(1);
  const parts: Point[][] = [];
  let part: Point[] = [];
  values.forEach((value, at) => {
    if (value === null) part = [];
    else {
      if (part.length === 0) parts.push(part);
      part.push({ at, height: y(value, top) });
    }
  });
  const shapes = parts.map((points) => spread(points, last).map((point) => `${x(point.at)} ${point.height}`));
  const lines = shapes.map((points) => `M${points.join('L')}`).join('');
  const areas = shapes.map((points) => {
    const [start = ''] = points[0]?.split(' ') ?? [];
    const [end = ''] = points.at(-1)?.split(' ') ?? [];
    return `M${start} ${height}L${points.join('L')}L${end} ${height}Z`;
  });
  return html`${isFilled ? html`<path class="area ${tone}" d="${areas.join('')}"/>` : nothing}<path class="line ${tone}" d="${lines}"/>`;
}

/** A point without a neighbour has no line, and would not be seen: it becomes a dash, half a step to each side. */
function spread(points: readonly Point[], last: number): readonly Point[] {
  const [point] = points;
  if (point === undefined || points.length > 1) return points;
  const { at, height } = point;
  return [
    { at: Math.max(0, at - 0.5), height },
    { at: Math.min(last, at + 0.5), height },
  ];
}

function y(value: number, top: number): string {
  return (height - (value / top) * (height - 2)).toFixed(1);
}

function lastOf(values: readonly (number | null)[]): number {
  return values.findLast((value) => value !== null) ?? 0;
}

/** The next value that a scale can end at: 1, 2 or 5 times a power of ten; of bytes, of a power of 1024. */
function roundUp(value: number, isBytes: boolean): number {
  if (value <= 0) return isBytes ? 1024 : 10;
  const unit = isBytes ? 1024 ** Math.floor(Math.log(value) / Math.log(1024)) : 1;
  const scaled = value / unit;
  const power = 10 ** Math.floor(Math.log10(scaled));
  const step = [1, 2, 5, 10].find((one) => one * power >= scaled) ?? 10;
  return Math.max(step * power * unit, isBytes ? 1024 : 4);
}
