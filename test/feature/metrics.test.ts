/** `/metrics` of the whole program: it counts what happened, and what is written about it is true. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { readExposition } from '../support/exposition.ts';
import { startPostgres } from '../support/postgres.ts';
import { usedProgram } from '../support/used-program.ts';

it('counts what happened to a pull', async (t) => {
  const { text, host, stored } = await usedProgram(t);
  const lines = text.split('\n');
  for (const line of [
    'entrepot_build_info{version="1.2.3"} 1',
    'entrepot_requests_total{kind="manifest",cache="fetched",status="200"} 1',
    'entrepot_requests_total{kind="manifest",cache="hit",status="200"} 1',
    `entrepot_upstream_faults_total{host="${host}",fault="unreachable"} 1`,
    `entrepot_upstream_requests_limit{host="${host}"} 100`,
    `entrepot_upstream_requests_remaining{host="${host}"} 76`,
    'entrepot_cache_damage_total{what="content"} 1',
    'entrepot_incomplete_answers_total{kind="blob",end="failed"} 1',
    `entrepot_cache_bytes ${stored}`,
    'entrepot_cache_limit_bytes 10000000',
    'entrepot_cache_contents 3',
    'entrepot_cache_manifests 1',
    `entrepot_cache_quota_bytes{match="**/team/*"} ${stored}`,
    'entrepot_cache_quota_limit_bytes{match="**/team/*"} 5000000',
    'entrepot_disk_min_free_bytes 1000000',
  ]) {
    assert.ok(lines.includes(line), `${line}\n${text}`);
  }
  const value = (name: string) => Number(lines.find((line) => line.startsWith(`${name} `))?.split(' ')[1]);
  assert.ok(value('entrepot_disk_free_bytes') > 0);
  assert.ok(value('entrepot_disk_free_bytes') < value('entrepot_disk_size_bytes'));
});

const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');

it('is what docs/operations.md lists, with the same types and labels', async (t) => {
  const documented = [...page.matchAll(/^\| (`entrepot_[^|]+) +\| (\w+) +\| ([^|]*) \|/gm)].flatMap((row) =>
    names(row[1]).map((name) => `${name}: ${row[2]} ${names(row[3]).toSorted().join(' ')}`.trim()),
  );
  const server = await startPostgres(t);
  if (!server) return;
  const { text } = await usedProgram(t, { database: server.url });
  const shown = [...readExposition(text)]
    .filter(([name]) => name.startsWith('entrepot_') && !/_(?:bucket|sum)$/.test(name))
    .map(([name, { type, labels, samples }]) => {
      assert.notEqual(samples, 0, `${name} has no sample, so nobody knows its labels`);
      const bare = type === 'histogram' ? name.replace(/_count$/, '') : name;
      return `${bare}: ${type} ${[...labels].toSorted().join(' ')}`.trim();
    });
  assert.notEqual(documented.length, 0);
  assert.deepEqual(documented.toSorted(), shown.toSorted());
});

/** What stands in backticks. */
function names(cell = ''): readonly string[] {
  return [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name);
}
