/** The first page: what the server does and whether it is well. */
import { html } from 'hono/html';
import type { Condition, Overview, Sample } from '../../admin/status/status.ts';
import { heading, message } from '../frame.ts';
import type { Page, View } from '../page.ts';
import { chart } from '../parts/chart.ts';
import { endpointTable } from '../parts/endpoint-table.ts';
import { type Html, nothing } from '../parts/html.ts';
import { badge, type Tile, tiles, when } from '../parts/signs.ts';
import { table } from '../parts/table.ts';

const minute = 60_000;
/** Minutes that a chart can show: the shortest that holds nearly all samples. */
const spans = [60, 180, 360, 720, 1440] as const;
/** Points of a line; further minutes are averaged. */
const points = 96;

export const overviewPage: Page = {
  path: '',
  name: 'overview',
  follows: ['overview', 'conditions', 'endpoints', 'sample'],

  async render(view) {
    const { status, texts } = view;
    const [overview, conditions, endpoints] = await Promise.all([
      status.overview(),
      status.conditions(),
      status.endpoints(),
    ]);
    const words = texts.overview;
    return html`${heading(texts, texts.pages.overview)}
<div id="now" data-live>
${overview.problem === null ? nothing : message('problem', overview.problem, words.problem)}
${overview.isOffline ? message('problem', words.offline) : nothing}
${tiles(figures(view, overview))}</div>
<section id="traffic" data-live class="charts">${charts(view, status.series())}</section>
<div class="columns">
<section id="upstreams" data-live><h2>${words.upstreams}</h2>${endpointTable(view, endpoints, { empty: words.upstreamsEmpty, isLinked: true, isWhole: false })}</section>
<section id="conditions" data-live><h2>${words.health}</h2>${conditionTable(view, conditions)}${counts(view, overview)}</section>
</div>`;
  },
};

function figures({ texts, format }: View, overview: Overview): readonly Tile[] {
  const { overview: words } = texts;
  const { pulls, requests, traffic, cache, transfers, since } = overview;
  const limit = cache.maxSize === null ? undefined : words.cacheOf(format.bytes(cache.maxSize));
  return [
    {
      name: words.pulls,
      value: format.count(pulls),
      note: words.pullsNote(format.time(Date.parse(since)).slice(0, 16)),
    },
    {
      name: words.hitRatio,
      value: format.share(requests.hits, requests.answered),
      note: words.hitRatioNote(format.count(requests.hits), format.count(requests.answered)),
    },
    {
      name: words.saved,
      value: format.bytes(traffic.saved),
      note: words.savedNote(format.bytes(traffic.toClients)),
    },
    {
      name: words.cache,
      value: format.bytes(cache.bytes),
      note: limit ?? words.cacheNote(format.count(cache.contents)),
    },
    { name: words.transfers, value: format.count(transfers) },
    {
      name: words.errors,
      value: format.count(requests.errors),
      note: words.errorsNote,
      tone: requests.errors > 0 ? 'warn' : undefined,
    },
  ];
}

function charts(view: View, samples: readonly Sample[]): Html {
  const { texts, format, clock } = view;
  const { overview: words } = texts;
  if (samples.length === 0) {
    return html`<p class="empty">${words.noSamples} <code>docker pull HOST:PORT/docker.io/library/alpine</code></p>`;
  }
  const now = clock.now();
  const begin = Date.parse(samples[0]?.time ?? '');
  const span = spans.find((one) => now - begin <= one * minute * 1.15) ?? 1440;
  const step = Math.max(1, Math.round(span / points)) * minute;
  const times = Array.from(
    { length: Math.floor((span * minute) / step) },
    (_, at) => now - span * minute + (at + 1) * step,
  );
  const mean = (value: (sample: Sample) => number) => {
    const sums = times.map(() => ({ sum: 0, of: 0 }));
    for (const sample of samples) {
      const at = Math.ceil((Date.parse(sample.time) - (now - span * minute)) / step) - 1;
      const bucket = sums[at];
      if (bucket) {
        bucket.sum += value(sample);
        bucket.of += 1;
      }
    }
    return sums.map(({ sum, of }) => (of === 0 ? null : sum / of));
  };
  const shown = words.lastHours(span / 60);
  const common = { span: shown, times };
  return html`${chart(view, {
    ...common,
    title: words.requestsChart,
    show: (value) => format.count(Math.round(value * 10) / 10),
    lines: [
      { label: words.requests, tone: 'a', values: mean(({ requests }) => requests), isFilled: true },
      { label: words.hits, tone: 'b', values: mean(({ hits }) => hits) },
      { label: words.errorsSeries, tone: 'bad', values: mean(({ errors }) => errors) },
    ],
  })}${chart(view, {
    ...common,
    title: words.bytesChart,
    show: format.bytes,
    isBytes: true,
    lines: [
      {
        label: words.toClients,
        tone: 'a',
        values: mean(({ bytesToClients }) => bytesToClients),
        isFilled: true,
      },
      { label: words.fromUpstreams, tone: 'b', values: mean(({ bytesFromUpstreams }) => bytesFromUpstreams) },
    ],
  })}`;
}

const tones = { True: 'ok', False: 'bad', Unknown: 'quiet' } as const;

function conditionTable(view: View, conditions: readonly Condition[]): Html {
  const words = view.texts.conditions;
  return table<Condition>({
    caption: view.texts.overview.health,
    rows: conditions,
    key: ({ type }) => type,
    columns: [
      { head: words.type, cell: ({ type }) => type, form: 'name' },
      { head: words.status, cell: ({ status }) => badge(tones[status], words.statuses[status]) },
      { head: words.message, cell: ({ message }) => message },
      { head: words.since, cell: ({ lastTransitionTime }) => when(view, lastTransitionTime), form: 'wide' },
    ],
  });
}

/** Jobs and replicas by state, where there are any. */
function counts({ texts, format }: View, { jobs, replicas }: Overview): Html {
  const list = (title: string, all: readonly { name: string; value: number }[]) =>
    all.length === 0
      ? nothing
      : html`<h2>${title}</h2><dl class="counts">${all.map(({ name, value }) => html`<div><dt>${name}</dt><dd>${format.count(value)}</dd></div>`)}</dl>`;
  return html`${list(
    texts.overview.jobs,
    jobs.map(({ kind, state, jobs }) => ({ name: `${kind} ${state}`, value: jobs })),
  )}${list(
    texts.overview.replicas,
    replicas.map(({ state, tags }) => ({ name: state, value: tags })),
  )}`;
}
