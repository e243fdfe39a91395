/** Durable work: what waits, runs and is over; failed jobs can be tried again. */
import { html } from 'hono/html';
import type { ListedJob } from '../../admin/job-commands.ts';
import { jobStates } from '../../jobs/job.ts';
import { heading } from '../frame.ts';
import type { Page, View } from '../page.ts';
import { firstRows } from '../parts/first-rows.ts';
import { buttonForm } from '../parts/forms.ts';
import { type Html, nothing } from '../parts/html.ts';
import { orProblem } from '../parts/or-problem.ts';
import { badge, type Tone, when } from '../parts/signs.ts';
import { stateFilter } from '../parts/state-filter.ts';
import { table } from '../parts/table.ts';

/** Rows of a page. */
const shown = 100;
const tones: Readonly<Record<ListedJob['state'], Tone>> = {
  pending: 'quiet',
  running: 'ok',
  done: 'ok',
  failed: 'bad',
  cancelled: 'quiet',
};

export const jobsPage: Page = {
  path: 'jobs',
  name: 'jobs',
  follows: ['overview'],

  render(view) {
    const { texts, query, mayChange } = view;
    const words = texts.jobs;
    const state = query.get('state') || undefined;
    const retryAll = mayChange
      ? buttonForm({ page: 'jobs', action: 'retry-failed', fields: {}, label: words.retryFailed })
      : nothing;
    return html`${heading(texts, texts.pages.jobs, retryAll)}
${stateFilter({ page: 'jobs', states: jobStates, words }, state)}
<section id="jobs" data-live>${orProblem(view, () => list(view, state))}</section>`;
  },

  actions: {
    async retry({ commands, texts, query }, form) {
      const id = Number(form.get('id'));
      await commands.jobs.retry({ id });
      return {
        notice: texts.jobs.retried(1),
        to: { path: 'jobs', query: { state: query.get('state') ?? '' } },
      };
    },
    async cancel({ commands, texts }, form) {
      const id = Number(form.get('id'));
      await commands.jobs.cancel(id);
      return { notice: texts.jobs.cancelled(String(id)) };
    },
    async 'retry-failed'({ commands, texts }) {
      const { retried } = await commands.jobs.retry('failed');
      return { notice: texts.jobs.retried(retried) };
    },
  },
};

async function list(view: View, state: string | undefined): Promise<Html> {
  const { commands, texts, format } = view;
  const { rows, hasMore } = await firstRows(commands.jobs.list({ state }), shown);
  return html`${jobTable(view, rows)}
${hasMore ? html`<p class="quiet">${texts.jobs.more(format.count(shown))}</p>` : nothing}`;
}

function jobTable(view: View, jobs: readonly ListedJob[]): Html {
  const { texts, format } = view;
  const words = texts.jobs;
  return table<ListedJob>({
    caption: texts.pages.jobs,
    rows: jobs,
    key: ({ id }) => String(id),
    empty: html`${words.empty} <code>[[sync]]</code>`,
    columns: [
      { head: words.id, cell: ({ id }) => String(id), form: 'number' },
      {
        head: words.about,
        form: 'name',
        cell: ({ kind, key, reason, note }) =>
          html`<span class="quiet">${kind}</span> ${key}${(reason ?? note) ? html`<br><span class="quiet reason">${reason ?? note}</span>` : nothing}`,
      },
      { head: words.state, cell: ({ state }) => badge(tones[state], words.states[state]) },
      { head: words.attempts, cell: ({ attempts }) => format.count(attempts), form: 'wideNumber' },
      { head: words.cause, cell: ({ cause }) => cause, form: 'wide' },
      {
        head: words.when,
        cell: ({ due, started, ended, created }) => when(view, due ?? ended ?? started ?? created),
      },
      ...(view.mayChange ? [{ head: words.actions, cell: (job: ListedJob) => buttons(view, job) }] : []),
    ],
  });
}

function buttons({ texts, query }: View, { id, state, key }: ListedJob): Html {
  const same = {
    page: 'jobs',
    fields: { id: String(id) },
    query: { state: query.get('state') ?? '' },
    about: key,
  };
  const canRetry = state === 'failed' || state === 'cancelled' || state === 'pending';
  const canCancel = state === 'pending' || state === 'running';
  return html`${canRetry ? buttonForm({ ...same, action: 'retry', label: texts.jobs.retry }) : nothing}${canCancel ? buttonForm({ ...same, action: 'cancel', label: texts.jobs.cancel }) : nothing}`;
}
