/** A trail: the endpoints that were asked for one target, in order, as a row of steps. */
import { html } from 'hono/html';
import type { Trail } from '../../upstream/outcome.ts';
import type { View } from '../page.ts';
import { type Html, nothing } from './html.ts';
import type { Tone } from './signs.ts';

/** Outcomes whose meaning is not a failure, and those that another endpoint may mend. */
export function outcomeTone(outcome: string): Tone {
  if (outcome === 'ok') return 'ok';
  return outcome === 'notFound' || outcome === 'blocked' || outcome === 'skipped' ? 'quiet' : 'bad';
}

/** One line for each endpoint: what it gave, and after how long. */
export function trailList({ format, texts }: View, trail: Trail): Html {
  if (trail.length === 0) return html`<span class="quiet">${texts.requests.noTrail}</span>`;
  return html`<ol class="trail">${trail.map(
    ({
      endpoint,
      outcome,
      ms,
      reason,
    }) => html`<li class="${outcomeTone(outcome)}"><span class="at">${endpoint}</span>
<span class="outcome">${outcome}</span> <span class="quiet">${format.duration(Math.round(ms))}</span>${reason === undefined ? nothing : html`<br><span class="quiet">${reason}</span>`}</li>`,
  )}</ol>`;
}
