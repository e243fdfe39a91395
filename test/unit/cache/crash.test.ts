import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseDigest } from '../../../src/oci/digest.ts';
import { dataFolder, digestOf, image, open, readAll, tagOf } from './data-folder-fixture.ts';

const rounds = 8;

test('whatever a process was writing when it was killed, all that is visible afterwards is right', async (t) => {
  const data = dataFolder(t);
  const script = new URL('./write-until-killed.ts', import.meta.url).pathname;
  let seen = 0;
  for (let round = 0; round < rounds; round += 1) {
    const child = spawn(process.execPath, [script, data], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    // Other images are half-way at that moment, each in its own place.
    let left = 2 + Math.floor(Math.random() * 60);
    for await (const dots of child.stdout) {
      left -= (dots as Buffer).length;
      if (left <= 0) child.kill('SIGKILL');
    }
    await exited;

    const cache = await open(t, data);
    for (const tag of await cache.tags(image)) {
      const known = (await cache.tag(image, tagOf(tag)))!;
      const manifest = await cache.manifest(image, known.digest);
      assert.ok(manifest, `${tag} points to a manifest that is here`);
      assert.equal(digestOf(manifest.bytes), known.digest);
      for (const { digest, size } of JSON.parse(Buffer.from(manifest.bytes).toString()).layers) {
        const blob = await cache.open(image, digest);
        if (!blob) continue;
        assert.equal(digestOf(await readAll(blob.stream(0, size))), digest);
        blob.close();
      }
      seen += 1;
    }
    const report = await cache.admin.reconciled;
    assert.equal(report?.dropped, 0, 'no row without its file');
    assert.equal(report.removed, 0, 'no file under a name that its bytes do not have');
    assert.deepEqual(
      readdirSync(cache.incoming.path).filter((name) => name.startsWith('put-')),
      [],
    );
    let bytes = 0;
    for (const entry of readdirSync(join(data, 'content-v1'), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const content = readFileSync(join(entry.parentPath, entry.name));
      assert.equal(digestOf(content), parseDigest(`sha256:${entry.name}`));
      bytes += content.length;
    }
    assert.equal(cache.admin.usage().bytes, bytes, 'the sum in the index is that of the files');
    await cache.close();
  }
  assert.ok(seen > rounds, `the killed processes had written something (${seen} tags seen)`);
});
