import assert from 'node:assert/strict';
import { statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { loadConfig } from '../../../src/config/load.ts';
import { tempFolder } from '../../support/temp-folder.ts';

function warningsOf(t: TestContext, toml: string, env: Record<string, string> = {}): string[] {
  const root = tempFolder(t);
  writeFileSync(join(root, 'registries.conf'), '[[registry]]\nlocation = "hub.corp"\n');
  writeFileSync(join(root, 'entrepot.toml'), toml);
  const { warnings } = loadConfig({
    flags: { registries: join(root, 'registries.conf'), config: join(root, 'entrepot.toml') },
    env,
    home: root,
    uid: 1000,
    cwd: root,
    root,
  });
  return warnings.map(({ file, line, message }) =>
    `${file}${line ? `:${line}` : ''}: ${message}`.replaceAll(root, ''),
  );
}

describe('a quota', () => {
  const quota = '[[cache.quota]]\nmatch = "**"\nmax_size = "6MiB"\n';

  it('above max_size is warned about with its line', (t) => {
    assert.deepEqual(warningsOf(t, `[cache]\nmax_size = "5MiB"\nmin_free = 0\n${quota}`), [
      '/entrepot.toml:6: this quota of 6MiB never takes effect: cache.max_size is 5MiB',
    ]);
    assert.deepEqual(warningsOf(t, `[cache]\nmax_size = "7MiB"\nmin_free = 0\n${quota}`), []);
    assert.deepEqual(warningsOf(t, quota), []);
  });
});

describe('a size below 1 MiB', () => {
  it('is warned about with its line: without a unit it is bytes', (t) => {
    assert.deepEqual(warningsOf(t, '[cache]\nmin_free = 1\n'), [
      '/entrepot.toml:2: cache.min_free is 1 byte: write a unit, as in "1GiB", if more is meant',
    ]);
    assert.deepEqual(warningsOf(t, '[cache]\nmax_size = "50"\n'), [
      '/entrepot.toml:2: cache.max_size is 50 bytes: write a unit, as in "50GiB", if more is meant',
    ]);
    assert.deepEqual(warningsOf(t, '[[cache.quota]]\nmatch = "**"\nmax_size = "512KiB"\n'), [
      '/entrepot.toml:3: cache.quota[0].max_size is 524288 bytes, less than 1MiB: write a unit, as in "1GiB", if more is meant',
    ]);
  });

  it('of a variable is warned about with its name', (t) => {
    assert.deepEqual(warningsOf(t, '', { ENTREPOT_CACHE_MAX_SIZE: '50' }), [
      'ENTREPOT_CACHE_MAX_SIZE: cache.max_size is 50 bytes: write a unit, as in "50GiB", if more is meant',
    ]);
  });

  it('is none from 1 MiB on, nor is min_free = 0, nor a rate of scrubs', (t) => {
    const toml = '[cache]\nmax_size = "1MiB"\nmin_free = 0\nscrub_rate = "500KiB"\n';
    assert.deepEqual(warningsOf(t, toml), []);
  });
});

describe('a bound beyond the disk', () => {
  it('is warned about: min_free, where nothing is ever kept, and max_size', (t) => {
    const [minFree, ...others] = warningsOf(t, '[cache]\nmin_free = "8191TiB"\n');
    assert.match(
      minFree ?? '',
      /^\/entrepot\.toml: cache\.min_free is 8191TiB, and the disk of \/data has \d+\w+: nothing is ever kept$/,
    );
    assert.deepEqual(others, []);
    assert.match(
      warningsOf(t, '[cache]\nmax_size = "8191TiB"\n')[0] ?? '',
      /cache\.max_size is 8191TiB, .*: the cache stops growing at cache\.min_free$/,
    );
  });

  it('is none where it fits', (t) => {
    const { blocks, bsize } = statfsSync('/tmp');
    const half = Math.floor((blocks * bsize) / 2);
    assert.deepEqual(warningsOf(t, `[cache]\nmax_size = ${half}\nmin_free = 0\n`), []);
  });
});
