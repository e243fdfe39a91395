import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  cutAfter,
  gzipped,
  htmlPage,
  ignoreRange,
  noContentLength,
  status,
  withHeaders,
  wrongContentRange,
} from '../../support/fake-registry-faults.ts';
import { buildImage } from '../../support/images.ts';
import { good, image, outline, readAll, reasons, stage } from './asking.ts';

const app = buildImage({ layers: [300_000] });
const layer = app.layers[0]!;

describe('asking for blobs', () => {
  const { start, ask } = stage(app);

  it('streams a blob, pausing when the sink is full', async () => {
    const registry = await start();
    const opened = good(await ask([registry]).openBlob(image(), layer.digest, { start: 0 })).value;
    assert.equal(opened.start, 0);
    assert.equal(opened.end, layer.size);
    assert.equal(opened.size, layer.size);
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const chunks: Buffer[] = [];
    let paused = false;
    opened.body.consume({
      data(chunk) {
        assert.equal(paused, false, 'no data while paused');
        chunks.push(chunk);
        paused = true;
        setImmediate(() => {
          paused = false;
          opened.body.resume();
        });
        return false;
      },
      end: () => resolve(Buffer.concat(chunks)),
      fail: (reason) => reject(new Error(reason)),
    });
    assert.deepEqual(await promise, layer.bytes());
  });

  it('tells the sink when the body breaks off', async () => {
    const registry = await start();
    registry.on({ kind: 'blob' }, cutAfter(1000));
    const opened = good(await ask([registry]).openBlob(image(), layer.digest, { start: 0 })).value;
    await assert.rejects(readAll(opened), /connection closed before the answer was complete/);
  });

  it('closes the exchange when a body is cancelled, before and while it is read', async () => {
    const registry = await start();
    const big = registry.putGeneratedBlob(64 << 20);
    const upstream = ask([registry]);
    const unread = good(await upstream.openBlob(image(), big, { start: 0 })).value;
    unread.body.cancel();
    assert.equal(await registry.matching({ digest: big })[0]!.ended, 'cut');
    const opened = good(await upstream.openBlob(image(), big, { start: 0 })).value;
    let chunks = 0;
    opened.body.consume({
      data() {
        chunks += 1;
        opened.body.cancel();
        return true;
      },
      end: () => assert.fail('no end after a cancel'),
      fail: () => assert.fail('no failure after a cancel'),
    });
    assert.equal(await registry.matching({ digest: big })[1]!.ended, 'cut');
    assert.equal(chunks, 1);
  });

  it('asks for a range, and takes the whole where the range is ignored', async () => {
    const registry = await start();
    const upstream = ask([registry]);
    const part = good(await upstream.openBlob(image(), layer.digest, { start: 1000, end: 3000 })).value;
    assert.deepEqual([part.start, part.end, part.size], [1000, 3000, layer.size]);
    assert.deepEqual(await readAll(part), layer.bytes(1000, 3000));
    assert.equal(registry.matching({ kind: 'blob' })[0]!.headers.range, 'bytes=1000-2999');
    registry.on({ kind: 'blob' }, ignoreRange());
    const whole = good(await upstream.openBlob(image(), layer.digest, { start: 1000 })).value;
    assert.deepEqual([whole.start, whole.end], [0, layer.size]);
    whole.body.cancel();
  });

  it('starts from 0 when the range lies behind the end, so that the size is learnt and no endpoint is blamed', async () => {
    const registry = await start();
    const upstream = ask([registry]);
    for (let time = 0; time < 4; time += 1) {
      const opened = good(await upstream.openBlob(image(), layer.digest, { start: 9_000_000 })).value;
      assert.deepEqual([opened.start, opened.size], [0, layer.size]);
      opened.body.cancel();
    }
    assert.equal(upstream.health()[0]?.breaker, 'closed');
  });

  it('leaves the end open where the headers do not tell it', async () => {
    const registry = await start();
    registry.on({ kind: 'blob' }, noContentLength());
    const opened = good(await ask([registry]).openBlob(image(), layer.digest, { start: 0 })).value;
    assert.deepEqual([opened.start, opened.end, opened.size], [0, undefined, undefined]);
    assert.equal((await readAll(opened)).length, layer.size);
  });

  const wrongBlobs = [
    ['a web page', [htmlPage()], /web page/],
    ['an encoded body', [gzipped()], /encoded \(gzip\)/],
    ['another range', [wrongContentRange('bytes 0-99/300000')], /another range than bytes=1000-1999/],
    ['a range without numbers', [wrongContentRange('bytes */300000')], /another range/],
    ['a longer range', [wrongContentRange('bytes 1000-4999/300000')], /another range/],
    ['another digest', [withHeaders({ 'docker-content-digest': app.digest })], /when asked for/],
    ['no content', [status(204)], /HTTP 204/],
  ] as const;
  for (const [what, faults, reason] of wrongBlobs) {
    it(`refuses a blob answer with ${what}, and asks the next endpoint`, async () => {
      const [mirror, source] = [await start(), await start()];
      mirror.on({ kind: 'blob' }, ...faults);
      const answer = await ask([mirror, source]).openBlob(image(), layer.digest, { start: 1000, end: 2000 });
      assert.equal(outline(answer), 'mirror invalid, source ok');
      assert.match(reasons(answer)[0]!, reason);
      assert.deepEqual(await readAll(good(answer).value), layer.bytes(1000, 2000));
    });
  }

  it('asks for the size of a blob, by GET where HEAD is refused', async () => {
    const registry = await start();
    const upstream = ask([registry]);
    assert.deepEqual(good(await upstream.headBlob(image(), layer.digest)).value, { size: layer.size });
    for (const code of [401, 403, 405]) {
      registry.heal();
      registry.on({ method: 'HEAD' }, status(code));
      assert.deepEqual(good(await upstream.headBlob(image(), layer.digest)).value, { size: layer.size });
    }
    assert.ok(
      registry.bodyBytes({ method: 'GET', kind: 'blob' }) <= 3,
      'one byte is asked for, not the blob',
    );
    const missing = await upstream.headBlob(image(), app.digest);
    assert.deepEqual(missing.ok ? undefined : missing.verdict, { kind: 'notFound' });
  });
});
