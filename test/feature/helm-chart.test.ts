/** The Helm chart, as far as it can be read without Helm: what it has copies of, and what its values say. */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { parse } from 'yaml';
import type { ServerConfig } from '../../src/config/config.ts';
import { keptUntilRestart, readServerToml } from '../../src/config/server-toml.ts';
import { parseToml } from '../../src/config/toml/toml-document.ts';
import { chart, copies, type Schema, schema, values } from '../support/helm-chart.ts';

const page = (name: string) => readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), 'utf8');

/** Tables and keys that the chart writes from other values than `config`. */
const ofOtherValues = ['listen', 'data', 'tls', 'cluster', 'facts', 'store', 'policies_from'];

it('the alerts and the dashboard of the chart are those of deploy/ (UPDATE=1 copies them)', () => {
  for (const { copy, of } of copies) {
    if (process.env.UPDATE === '1') copyFileSync(of, copy);
    assert.ok(readFileSync(copy).equals(readFileSync(of)), `${copy} differs from ${of}`);
  }
});

it('the chart has the version of the package', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const read = parse(readFileSync(join(chart, 'Chart.yaml'), 'utf8'));
  assert.deepEqual([read.version, read.appVersion], [version, version]);
});

it('every key of entrepot.toml is a key of config, or the chart writes it', () => {
  const [example = ''] = page('configuration').match(/(?<=```toml\n)listen = [\s\S]*?(?=```)/) ?? [];
  // Examples of keys are comments.
  const tables = example.replaceAll(/^# (?=\[|[a-z_.]+ = )/gm, '');
  const keys = [...parseToml(tables.replaceAll(/^ *#.*$/gm, ''), 'configuration.md').entries.keys()];
  assert.ok(keys.length > 15);
  const known = [...Object.keys(schema.properties?.config?.properties ?? {}), ...ofOtherValues];
  assert.deepEqual(
    keys.filter((key) => !known.includes(key)),
    [],
    'add it to config in deploy/helm/entrepot/values.schema.json',
  );
});

it('a rollout follows each change that Entrepot itself takes at a start only', () => {
  const { server } = readServerToml(undefined, '/');
  const others = Object.fromEntries(Object.keys(server).map((key) => [key, { another: key }]));
  const next = {
    ...others,
    tls: { certificate: 'another' },
    log: { format: 'json' },
  } as unknown as ServerConfig;
  const fixed = keptUntilRestart(server, next).map((key) => key.split('.')[0] ?? '');
  assert.ok(fixed.length > 6);
  const template = readFileSync(join(chart, 'templates/_config.tpl'), 'utf8');
  const [checksum = ''] = template.match(/(?<=define "entrepot.restartChecksum")[\s\S]*/) ?? [];
  assert.deepEqual(
    fixed.filter((key) => !checksum.includes(`"${key}"`)),
    [],
    'add it to entrepot.restartChecksum in deploy/helm/entrepot/templates/_config.tpl',
  );
});

it('the schema names every value, and refuses every other', () => {
  const problems: string[] = [];
  const compare = (given: unknown, { properties, additionalProperties }: Schema, path: string) => {
    if (typeof given !== 'object' || given === null || Array.isArray(given) || !properties) return;
    if (additionalProperties !== false) problems.push(`${path} takes any key`);
    for (const [key, value] of Object.entries(given)) {
      const inner = properties[key];
      if (inner) compare(value, inner, `${path}.${key}`);
      else problems.push(`${path}.${key} is not in the schema`);
    }
  };
  compare(values, schema, 'values');
  // `global` is Helm's own.
  const absent = Object.keys(schema.properties ?? {}).filter((key) => key !== 'global' && !(key in values));
  assert.deepEqual([...problems, ...absent], []);
});

it('docs/kubernetes.md has every value', () => {
  const text = page('kubernetes');
  assert.deepEqual(
    Object.keys(values).filter((key) => !text.includes(`\`${key}`)),
    [],
  );
});
