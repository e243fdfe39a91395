import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStreamProgress } from '../../../../src/cli/output/stream-progress.ts';

/** What is said of parts that come a time apart each. */
async function told(size: number, sizes: readonly number[], apart: number): Promise<readonly string[]> {
  const written: string[] = [];
  let now = 0;
  const to = { write: (text: string) => void written.push(text) };
  const progress = createStreamProgress(to, { size, isShown: true, now: () => now });
  async function* parts() {
    for (const length of sizes) {
      now += apart;
      yield new Uint8Array(length);
    }
  }
  let passed = 0;
  for await (const part of progress.through(parts(), 'site.0001.tar')) passed += part.length;
  assert.equal(
    passed,
    sizes.reduce((sum, one) => sum + one, 0),
  );
  return written;
}

test('how much is read, at which rate, and how long the rest takes comes every two seconds', async () => {
  const mebibyte = 1024 * 1024;
  assert.deepEqual(await told(10 * mebibyte, [mebibyte, mebibyte, mebibyte], 1000), [
    'site.0001.tar: 1.0 MiB of 10.0 MiB, 1.0 MiB/s, 9 s left\n',
    'site.0001.tar: 3.0 MiB of 10.0 MiB, 1.0 MiB/s, 7 s left\n',
  ]);
});

test('of a pipe, whose size is not known, it is how much has come', async () => {
  assert.deepEqual(await told(0, [2048], 1000), ['site.0001.tar: 2.0 KiB, 2.0 KiB/s\n']);
});
