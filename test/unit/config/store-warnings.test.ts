import assert from 'node:assert/strict';
import { it } from 'node:test';
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
  assert.match(found[0]?.message ?? '', /in 2 buckets .* there are 1 \[\[store\]\]/);
});
