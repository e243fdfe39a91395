/**
 * Memory is bounded by buffers, not by the size of a blob, the number of its readers, or their speeds. The program runs in a
 * process of its own and is weighed by the kernel. With LONG=1 the blob has 1 GiB and fifty readers.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { generateBlob } from '../support/byte-source.ts';
import { KiB, MiB, offer, pullWhole, restOf } from '../support/cold-blobs.ts';
import { memoryOf, startProgramOnBlobs } from '../support/entrepot-on-blobs.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { measure, open } from '../support/http-client.ts';
import { tempFolder } from '../support/temp-folder.ts';

const long = process.env.LONG === '1';
const size = (long ? 1024 : 128) * MiB;
const readers = long ? 50 : 20;
const allowed = 64 * MiB;

describe('many readers of a large cold blob', () => {
  it('cost less than 64 MiB of memory, the slow ones among them', {
    skip: process.platform === 'linux' ? false : 'reads /proc',
  }, async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const site = await startProgramOnBlobs(t, tempFolder(t), [registry]);
    const { pid } = site.program;
    const warmUp = generateBlob(64 * KiB, 'warm-up');
    const blob = generateBlob(size, 'heavy');
    offer([registry], warmUp);
    offer([registry], blob);
    await Promise.all(Array.from({ length: 4 }, () => pullWhole(site.url(warmUp.digest), warmUp)));
    await site.stored(warmUp.digest);
    // From here on VmHWM is the most that it holds from now on.
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
    const idle = memoryOf(pid, 'VmRSS') * KiB;

    const url = site.url(blob.digest);
    // Three stand still after their first bytes, one compares every byte, the rest count.
    const standing = await Promise.all([1, 2, 3].map(() => open(url)));
    for (const answer of standing) await answer.read(64 * KiB);
    const counting = Array.from({ length: readers - 4 }, () => measure(url));
    await pullWhole(url, blob);
    for (const { bytes, complete } of await Promise.all(counting)) {
      assert.equal(bytes, size);
      assert.ok(complete);
    }
    await site.stored(blob.digest);
    const [first, ...others] = standing;
    assert.ok(first);
    await restOf(first, blob, 64 * KiB);
    for (const answer of others) answer.destroy();

    const grown = memoryOf(pid, 'VmHWM') * KiB - idle;
    t.diagnostic(`${Math.round(grown / MiB)} MiB above ${Math.round(idle / MiB)} MiB`);
    assert.ok(grown < allowed, `${grown} bytes above ${idle}`);
    assert.equal(site.asked('GET'), 2);
    assert.equal(site.sent(blob.digest), size);
  });
});
