import assert from 'node:assert/strict';
import { it } from 'node:test';
import { placementsAsText } from '../../../src/cli/output/placement-list.ts';
import { readServerToml } from '../../../src/config/server-toml.ts';
import { storeWarnings } from '../../../src/config/store-warnings.ts';

it('a [[push]] that wants more buckets than there are is warned about, with its line', () => {
  const store = '[[store]]\nname = "eu"\nkind = "s3"\nbucket = "images"\n';
  const push = (durable: number) => `[[push]]\nmatch = "**"\nmode = "local"\ndurable = ${durable}\n`;
  const text = `${store}${push(1)}${push(2)}`;
  const { server, settings } = readServerToml({ file: 'entrepot.toml', text }, '/srv');
  const found = storeWarnings(server, settings);
  assert.deepEqual(
    found.map(({ line }) => line),
    [12],
  );
  assert.match(found[0]?.message ?? '', /in 2 buckets .* and 1 \[\[store\]\] can have images of \*\*/);
});

it('a bucket that is for other images counts for no rule', () => {
  const store = '[[store]]\nname = "eu"\nkind = "s3"\nbucket = "images"\nmatch = ["docker.io/**"]\n';
  const push = (match: string, more = '') => `[[push]]\nmatch = "${match}"\nmode = "local"\n${more}`;
  const text = `${store}${push('images.local/**', 'durable = 1\n')}${push('docker.io/team/**', 'durable = 1\n')}`;
  const { server, settings } = readServerToml({ file: 'entrepot.toml', text }, '/srv');
  const found = storeWarnings(server, settings);
  assert.equal(found.length, 1);
  assert.match(found[0]?.message ?? '', /and 0 \[\[store\]\] can have images of images\.local/);
  assert.match(
    placementsAsText({ stores: server.stores, push: server.push.map(({ durable: _, ...rule }) => rule) }),
    /images\.local\/\*\* +the cache here\ndocker\.io\/team\/\*\* +1 of 1 buckets/,
  );
});
