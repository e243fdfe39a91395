/** The files in deploy/ are about this program: they name nothing that it does not have. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it, type TestContext } from 'node:test';
import {
  alerts,
  dashboard,
  dashboardQueries,
  deployed,
  groupingsIn,
  metricsIn,
} from '../support/deployed.ts';
import { readExposition } from '../support/exposition.ts';
import { usedProgram } from '../support/used-program.ts';

/** Labels that Prometheus itself puts on what it scrapes, and those of a bucket. */
const fromPrometheus = ['job', 'instance', 'le'];
const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');

/** Each is a name or a label that the program does not have. */
async function unknownIn(t: TestContext, texts: readonly string[]): Promise<readonly string[]> {
  const shown = readExposition((await usedProgram(t)).text);
  return texts.flatMap((text) => {
    const named = metricsIn(text);
    const known = new Set([
      ...fromPrometheus,
      ...named.flatMap(({ name }) => [...(shown.get(name)?.labels ?? [])]),
    ]);
    return [
      ...named.filter(({ name }) => !shown.has(name)).map(({ name }) => name),
      ...named.flatMap(({ name, labels }) =>
        labels
          .filter((label) => !fromPrometheus.includes(label) && !shown.get(name)?.labels.has(label))
          .map((label) => `${name}{${label}}`),
      ),
      ...groupingsIn(text)
        .filter((label) => !known.has(label))
        .map((label) => `by ${label}: ${text}`),
    ];
  });
}

it('grafana/entrepot.json names only metrics and labels that there are', async (t) => {
  const queries = dashboardQueries();
  assert.ok(queries.length > 40);
  const variables = dashboard.templating.list.map(({ query }) => JSON.stringify(query));
  assert.deepEqual(await unknownIn(t, [...queries.map(({ expr }) => expr), ...variables]), []);
  for (const { at, expr, legend } of queries) {
    assert.notEqual(metricsIn(expr).length, 0, at);
    const by = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
    const kept = /\bby \(/.test(expr) ? groupingsIn(expr) : fromPrometheus;
    assert.deepEqual(
      by.filter((label) => !kept.includes(label)),
      [],
      `${at}: a label that ${expr} does not keep`,
    );
  }
});

it('grafana/entrepot.json chooses data source, job and instance, in every query', () => {
  assert.deepEqual(
    dashboard.templating.list.map(({ name }) => name),
    ['datasource', 'job', 'instance'],
  );
  for (const { at, expr } of dashboardQueries()) {
    for (const { name } of metricsIn(expr)) {
      assert.ok(expr.includes(`${name}{job=~"$job", instance=~"$instance"`), `${at}: ${name}`);
    }
  }
});

it('prometheus/alerts.yaml names only metrics and labels that there are', async (t) => {
  assert.ok(metricsIn(alerts).length > 15);
  assert.deepEqual(await unknownIn(t, alerts.split(/^ +- alert: /m)), []);
});

it('prometheus/alerts.yaml says of each alert what to do, and leads to a heading of docs/operations.md', () => {
  const anchors = [...page.matchAll(/^##+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-'),
  );
  const each = alerts.split(/^ +- alert: /m).slice(1);
  for (const text of each) {
    const [name = ''] = text.split('\n');
    for (const key of ['severity', 'summary', 'description'])
      assert.match(text, new RegExp(`^ +${key}: .`, 'm'), name);
    const anchor = /^ +runbook_url: docs\/operations\.md#(.+)$/m.exec(text)?.[1] ?? '';
    assert.ok(anchors.includes(anchor), `${name}: #${anchor}`);
  }
  const listed = new Set([...page.matchAll(/`(Entrepot[A-Z]\w+)`/g)].map(([, name = '']) => name));
  assert.deepEqual(
    [...listed].toSorted(),
    each.map((text) => text.slice(0, text.indexOf('\n'))).toSorted(),
    'docs/operations.md lists each',
  );
});

it('prometheus/alerts.test.yaml makes each of them fire', () => {
  const tests = readFileSync(deployed.alertTests, 'utf8');
  const fired = new Set([...tests.matchAll(/alertname="(\w+)"/g)].map(([, name]) => name));
  const all = [...alerts.matchAll(/^ +- alert: (\w+)$/gm)].map(([, name]) => name);
  assert.deepEqual([...fired], all);
});

it('the server is started with the same bounds of memory from a checkout, in an image and as a service', () => {
  const bounds = (text = '') => text.match(/MALLOC_ARENA_MAX=\d+|--max-semi-space-size=\d+/g)?.sort();
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  const started = bounds(read('entrepot'));
  assert.equal(started?.length, 2);
  assert.deepEqual(bounds(read('src/main.ts').split('\n')[0]), started);
  assert.deepEqual(bounds(readFileSync(deployed.unit, 'utf8')), started);
});

it('neither the image nor the service sets a variable that beats entrepot.toml', () => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  for (const text of [read('Dockerfile'), readFileSync(deployed.unit, 'utf8')]) {
    const set = [...text.matchAll(/\b(ENTREPOT_[A-Z_]+)=/g)].map(([, name = '']) => name);
    assert.notEqual(set.length, 0);
    assert.deepEqual(
      set.filter((name) => !name.startsWith('ENTREPOT_DEFAULT_')),
      [],
    );
  }
});
