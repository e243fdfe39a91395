import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseReceipt, printReceipt } from '../../../src/airgap/receipt.ts';
import { EntrepotError } from '../../../src/errors.ts';
import type { Digest } from '../../../src/oci/digest.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}` as Digest;
const file = 'site.receipt.json';

function refuses(bytes: Uint8Array, message: RegExp): void {
  assert.throws(
    () => parseReceipt(bytes, file),
    (error) =>
      error instanceof EntrepotError && error.code === 'BUNDLE_INVALID' && message.test(error.located),
  );
}

describe('a receipt', () => {
  const contents = {
    store: 'site-1',
    created: '2026-01-02T03:04:05.000Z',
    bundles: [digest('c')],
    digests: [digest('b'), digest('a'), digest('b')],
  };

  it('is read as it was printed, sorted', () => {
    const { receipt, ...read } = parseReceipt(printReceipt(contents), file);
    assert.deepEqual(read, { ...contents, digests: [digest('a'), digest('b')] });
    assert.match(receipt, /^sha256:/);
  });

  it('is refused if it was changed, or says something else', () => {
    const change = (text: string, by: string) =>
      Buffer.from(Buffer.from(printReceipt(contents)).toString().replace(text, by));
    refuses(change('site-1', 'site-2'), /receipt is not the digest of the rest/);
    refuses(change('"format":1', '"format":7'), /has format 7/);
    refuses(change('site-1', '../x'), /store is no name/);
    refuses(change('2026-', 'x'), /created is no time/);
    refuses(change(digest('a'), 'sha256:0'), /digests holds something that is no digest/);
    refuses(change('"store"', '"shop"'), /shop is no field/);
  });

  it('is printed only as large as it is read', () => {
    const digests = Array.from({ length: 460_000 }, (_, at) => `sha256:${String(at).padStart(64, '0')}`);
    assert.throws(
      () => printReceipt({ ...contents, digests: digests as Digest[] }),
      (error) =>
        error instanceof EntrepotError &&
        error.code === 'OUTPUT_UNUSABLE' &&
        /^a receipt of 460000 digests would be too large for --base\. The images are here/.test(
          error.located,
        ),
    );
  });
});
