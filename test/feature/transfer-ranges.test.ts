/** Parts of a blob that is not cached yet: they come first and alone, are kept, and end as a verified whole. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Blob, generateBlob } from '../support/byte-source.ts';
import { createManualClock } from '../support/clock.ts';
import {
  comparison,
  inSocketBuffers,
  KiB,
  MiB,
  offer,
  pullWhole,
  restOf,
  startColdBlobs,
} from '../support/cold-blobs.ts';
import { eventually } from '../support/eventually.ts';
import { holdHeaders, noContentLength, rate, stallAfter, tooMuch } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get, open } from '../support/http-client.ts';
import { startMirrored } from '../support/mirrored-registry.ts';

const neverFill = '[transfer]\nfill = "never"\n';

function part(blob: Blob, start: number, end: number): string {
  return `bytes ${start}-${end - 1}/${blob.size}`;
}

describe('a range far into a cold blob', () => {
  it('comes without the bytes before it', async (t) => {
    const blob = generateBlob(96 * MiB, 'far');
    const site = await startColdBlobs(t, { toml: neverFill });
    const [registry] = site.registries;
    assert.ok(registry);
    offer(site.registries, blob);
    registry.on({ kind: 'blob' }, rate(24_000_000));
    const [start, end] = [80 * MiB, 80 * MiB + 64 * KiB];
    const answer = await get(site.url(blob.digest), { headers: { range: `bytes=${start}-${end - 1}` } });
    assert.equal(answer.status, 206);
    assert.equal(answer.headers['content-range'], part(blob, start, end));
    assert.equal(answer.headers['content-length'], String(end - start));
    assert.deepEqual(answer.body, blob.bytes(start, end));
    assert.deepEqual(
      registry.matching({ kind: 'blob' }).map(({ method, headers }) => [method, headers.range]),
      [['GET', `bytes=${start}-${end - 1}`]],
    );
    assert.equal(await site.received(), end - start);
  });

  it('does not wait for a fetch of the whole that is under way', async (t) => {
    const blob = generateBlob(24 * MiB, 'overtaken');
    const site = await startColdBlobs(t);
    const [registry] = site.registries;
    assert.ok(registry);
    offer(site.registries, blob);
    const held = gate();
    registry.on({ kind: 'blob', times: 1 }, stallAfter(2 * MiB, held));
    const whole = pullWhole(site.url(blob.digest), blob);
    await held.arrived;
    const [start, end] = [16 * MiB, 18 * MiB];
    const answer = await get(site.url(blob.digest), { headers: { range: `bytes=${start}-${end - 1}` } });
    assert.deepEqual(answer.body, blob.bytes(start, end));
    held.release();
    await whole;
    // What the range had brought was not fetched again.
    assert.equal(await site.received(), blob.size);
    await site.stored(blob.digest);
  });
});

describe('a part whose body does not end where its headers say', () => {
  for (const more of [0, 10]) {
    it(`keeps no connection from the next one: ${more} bytes more, and no end`, async (t) => {
      const hold = gate();
      t.after(() => hold.release());
      const clock = createManualClock();
      const blob = generateBlob(MiB, 'endless part');
      const one = ({ host }: { host: string }) =>
        `[[upstream.host]]\nhost = "${host}"\nmax_connections = 1\n`;
      const site = await startColdBlobs(t, {
        toml: (all) => `${neverFill}[upstream]\nqueue_timeout = "20s"\n${all.map(one).join('')}`,
        deps: { clock },
      });
      offer(site.registries, blob);
      const endless = [noContentLength(), tooMuch(more), stallAfter(64 * KiB + more, hold)];
      site.registries[0]?.on({ kind: 'blob', times: 1 }, ...endless);
      const bytes = (range: string) => get(site.url(blob.digest), { headers: { range: `bytes=${range}` } });
      const first = await bytes('0-65535');
      assert.deepEqual(first.body, blob.bytes(0, 64 * KiB));
      await clock.advance(5000);
      const next = bytes('524288-589823').then(({ status }) => status);
      const waits = clock.armed(20_000).then(() => 'waits for a connection');
      assert.equal(await Promise.race([next, waits]), 206);
    });
  }
});

describe('open-ended ranges in steps, broken off early', () => {
  it('cost hardly more than the blob', async (t) => {
    const blob = generateBlob(64 * MiB, 'steps');
    const step = 8 * MiB;
    const site = await startColdBlobs(t, { toml: neverFill });
    offer(site.registries, blob);
    site.registries[0]?.on({ kind: 'blob' }, rate(60_000_000));
    await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const start = index * step;
        const answer = await open(site.url(blob.digest), { headers: { range: `bytes=${start}-` } });
        assert.equal(answer.status, 206);
        assert.equal(answer.headers['content-range'], part(blob, start, blob.size));
        const compared = comparison(blob, start);
        while (compared.bytes < step) compared.take(await answer.read(Math.min(MiB, step - compared.bytes)));
        answer.destroy();
      }),
    );
    // The last one came to its end.
    await eventually(
      'no client reads any more',
      () => site.proxy.log.filter(({ end }) => end === 'clientLeft').length === 7,
    );
    assert.ok((await site.received()) <= 1.1 * blob.size, `${await site.received()} bytes`);
    assert.ok(site.sent(blob.digest) <= 1.1 * blob.size + 8 * inSocketBuffers);
    assert.ok(site.asked('GET') <= 16, `${site.asked('GET')} requests`);
  });
});

describe('ranges one after the other', () => {
  it('are kept, joined and verified, and nothing is fetched twice', async (t) => {
    const blob = generateBlob(8 * MiB, 'joined');
    const site = await startColdBlobs(t, { toml: neverFill });
    offer(site.registries, blob);
    for (const start of [4 * MiB, 0, 6 * MiB, 2 * MiB]) {
      const end = start + 2 * MiB;
      const answer = await get(site.url(blob.digest), { headers: { range: `bytes=${start}-${end - 1}` } });
      assert.equal(answer.status, 206);
      assert.deepEqual(answer.body, blob.bytes(start, end));
    }
    await site.stored(blob.digest);
    await site.tidy();
    assert.equal(await site.received(), blob.size);
    assert.equal((await pullWhole(site.url(blob.digest), blob)).cache, 'hit');
    assert.equal(site.asked('GET'), 4);
  });

  it('of which one was a lie never enter the cache', async (t) => {
    const blob = generateBlob(4 * MiB, 'part lie');
    const lie = generateBlob(4 * MiB, 'another');
    const site = await startColdBlobs(t, { registries: 2, toml: neverFill });
    const [mirror, source] = site.registries;
    assert.ok(mirror && source);
    offer([source], blob);
    // The mirror has other bytes under the blob's name.
    mirror.putBlob({ ...lie, digest: blob.digest, bytes: lie.bytes });
    const range = { headers: { range: `bytes=0-${2 * MiB - 1}` } };
    assert.deepEqual((await get(site.url(blob.digest), range)).body, lie.bytes(0, 2 * MiB));
    const whole = await get(site.url(blob.digest));
    // Unless the verdict came before its first byte, it had wrong ones and must not come to its end.
    assert.ok(!whole.complete || whole.body.equals(blob.bytes()), 'the wrong whole is not completed');
    // The mirror is not asked first again, whether the range's transfer still ran or had ended when the whole was asked for.
    await pullWhole(site.url(blob.digest), blob);
    await site.stored(blob.digest);
    assert.deepEqual((await get(site.url(blob.digest), range)).body, blob.bytes(0, 2 * MiB));
  });
});

describe('an upstream that ignores Range', () => {
  it('is coped with: the part is right, and what came before it is kept', async (t) => {
    const blob = generateBlob(6 * MiB, 'ignorant');
    const site = await startColdBlobs(t, { upstream: { ranges: false } });
    offer(site.registries, blob);
    const [start, end] = [4 * MiB, 4 * MiB + 1000];
    const answer = await get(site.url(blob.digest), { headers: { range: `bytes=${start}-${end - 1}` } });
    assert.equal(answer.status, 206);
    assert.deepEqual(answer.body, blob.bytes(start, end));
    await pullWhole(site.url(blob.digest), blob);
    await site.stored(blob.digest);
    assert.equal(site.asked('GET'), 1);
    assert.equal(await site.received(), blob.size);
  });
});

describe('several ranges in one request', () => {
  it('come as multipart in the order in which they were asked', async (t) => {
    const blob = generateBlob(8 * MiB, 'parts');
    const site = await startColdBlobs(t, { toml: neverFill });
    offer(site.registries, blob);
    const asked: [number, number][] = [
      [6 * MiB, 6 * MiB + 500],
      [100, 70_000],
      [3 * MiB, 3 * MiB + 1],
    ];
    const range = `bytes=${asked.map(([start, end]) => `${start}-${end - 1}`).join(', ')}`;
    const answer = await get(site.url(blob.digest), { headers: { range } });
    assert.equal(answer.status, 206);
    const [, boundary] =
      /^multipart\/byteranges; boundary=(.+)$/.exec(answer.headers['content-type'] ?? '') ?? [];
    assert.ok(boundary);
    const expected = asked.map(([start, end]) =>
      Buffer.concat([
        Buffer.from(
          `\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: ${part(blob, start, end)}\r\n\r\n`,
        ),
        blob.bytes(start, end),
      ]),
    );
    const body = Buffer.concat([...expected, Buffer.from(`\r\n--${boundary}--\r\n`)]).subarray(2);
    assert.deepEqual(answer.body, body);
    assert.ok(answer.complete);
    assert.ok((await site.received()) < MiB);
  });

  it('come right, each fetched once, where there are more of them than are opened ahead', async (t) => {
    const blob = generateBlob(64 * MiB, 'side-by-side');
    const site = await startColdBlobs(t, { toml: neverFill });
    offer(site.registries, blob);
    const starts = Array.from({ length: 8 }, (_, index) => 8 * MiB * index);
    const range = `bytes=${starts.map((start) => `${start}-${start + 999}`).join(',')}`;
    const { status, complete, body } = await get(site.url(blob.digest), { headers: { range } });
    assert.deepEqual([status, complete], [206, true]);
    for (const start of starts) assert.ok(body.includes(blob.bytes(start, start + 1000)));
    assert.equal(site.asked('GET'), 8);
  });

  it('are asked for side by side, four at a time, and let go when the client leaves', async (t) => {
    const blob = generateBlob(64 * MiB, 'left-ahead');
    const site = await startColdBlobs(t, { toml: neverFill });
    const [registry] = site.registries;
    assert.ok(registry);
    offer(site.registries, blob);
    const held = gate();
    registry.on({ kind: 'blob', after: 1 }, holdHeaders(held));
    const starts = Array.from({ length: 8 }, (_, index) => 8 * MiB * index);
    const range = `bytes=${starts.map((start) => `${start}-${start + 999}`).join(',')}`;
    const answer = await open(site.url(blob.digest), { headers: { range } });
    assert.equal(answer.status, 206);
    // One after the other, the third would not be asked for before the second has been answered.
    await held.arrivals(3);
    assert.equal(site.asked('GET'), 4);
    answer.destroy();
    await eventually('the transfer ends', () => site.proxy.log.some(({ end }) => end === 'clientLeft'));
    held.release();
    const again = await get(site.url(blob.digest), { headers: { range: 'bytes=8388608-8389607' } });
    assert.deepEqual(again.body, blob.bytes(8 * MiB, 8 * MiB + 1000));
  });
});

describe('If-Range', () => {
  it('lets the range through for this very digest, and means the whole for any other', async (t) => {
    const blob = generateBlob(MiB, 'if-range');
    const site = await startColdBlobs(t);
    offer(site.registries, blob);
    const ask = (tag: string) =>
      get(site.url(blob.digest), { headers: { range: 'bytes=10-19', 'if-range': tag } });
    const part = await ask(`"${blob.digest}"`);
    assert.equal(part.status, 206);
    assert.deepEqual(part.body, blob.bytes(10, 20));
    const whole = await ask('"sha256:other"');
    assert.equal(whole.status, 200);
    assert.deepEqual(whole.body, blob.bytes());
  });
});

describe('the end of a blob of unknown size', () => {
  it('is found by asking for the size', async (t) => {
    const blob = generateBlob(5 * MiB, 'suffix');
    const site = await startColdBlobs(t, { toml: neverFill });
    offer(site.registries, blob);
    const answer = await get(site.url(blob.digest), { headers: { range: 'bytes=-1000' } });
    assert.equal(answer.status, 206);
    assert.equal(answer.headers['content-range'], part(blob, blob.size - 1000, blob.size));
    assert.deepEqual(answer.body, blob.bytes(blob.size - 1000));
    assert.equal(await site.received(), 1000);
  });

  it('comes with the whole where no endpoint announces the size', async (t) => {
    const blob = generateBlob(2 * MiB, 'no size');
    const site = await startColdBlobs(t, { upstream: { ranges: false } });
    offer(site.registries, blob);
    site.registries[0]?.on({ kind: 'blob' }, noContentLength());
    const answer = await open(site.url(blob.digest), { headers: { range: 'bytes=-1000' } });
    assert.equal(answer.status, 200);
    await restOf(answer, blob);
  });

  it('is not passed: 416 tells the size, whether it was known or not', async (t) => {
    const blob = generateBlob(2 * MiB, 'beyond');
    const site = await startColdBlobs(t, { toml: neverFill });
    offer(site.registries, blob);
    const beyond = { headers: { range: `bytes=${blob.size}-` } };
    const unknown = await get(site.url(blob.digest), beyond);
    assert.equal(unknown.status, 416);
    assert.equal(unknown.headers['content-range'], `bytes */${blob.size}`);
    assert.ok((await site.received()) < blob.size);
    await pullWhole(site.url(blob.digest), blob);
    await site.stored(blob.digest);
    const known = await get(site.url(blob.digest), beyond);
    assert.equal(known.status, 416);
    assert.equal(known.headers['content-range'], `bytes */${blob.size}`);
  });
});

describe('a registry that sends parts as 200, with Content-Range', () => {
  it('has its numbers believed (dragonflyoss/client#1874)', async (t) => {
    const mirrored = await startMirrored(t);
    const blob = generateBlob(500_000, 'parts as 200');
    mirrored.registry.putBlob(blob);
    const isRanged = ({ headers }: { headers: { range?: string | undefined } }) =>
      headers.range !== undefined;
    mirrored.registry.on(
      { kind: 'blob', when: isRanged },
      { answer: (answer) => ({ ...answer, status: 200 }) },
    );
    const path = `blobs/${blob.digest}`;
    const part = await mirrored.get('app', path, { headers: { range: 'bytes=100-199' } });
    assert.deepEqual([part.status, part.headers['content-range']], [206, 'bytes 100-199/500000']);
    assert.deepEqual(part.body, blob.bytes(100, 200));
    assert.deepEqual((await mirrored.get('app', path)).body, blob.bytes());
  });
});
