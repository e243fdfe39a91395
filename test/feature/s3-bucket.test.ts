/** A `[[store]]` of entrepot.toml over real sockets: configuration, credentials, uploads in parts, reads of a second replica. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { contentKey } from '../../src/stores/content-key.ts';
import { startApp } from '../support/app.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { startFakeS3 } from '../support/fake-s3.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { tempFolder } from '../support/temp-folder.ts';

describe('a bucket of entrepot.toml', () => {
  it('gets what is pulled, in parts where it is large, and gives it to another replica', async (t) => {
    const fake = await startFakeS3();
    t.after(fake.close);
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const image = buildImage({ seed: 's3', layers: [20_000_000] });
    registry.putImage('team/app', 'v1', image);
    const secrets = tempFolder(t);
    const [key] = fake.keys;
    assert.ok(key);
    writeFileSync(join(secrets, 'id'), `${key.accessKey}\n`);
    writeFileSync(join(secrets, 'key'), `${key.secretKey}\n`);
    const toml = `
[[store]]
name = "eu"
kind = "s3"
bucket = "${fake.bucket}"
endpoint = "${fake.endpoint}"
region = "${fake.region}"
prefix = "site/a"
access_key_file = "${join(secrets, 'id')}"
secret_key_file = "${join(secrets, 'key')}"
`;
    const start = () => startApp(t, { registries: insecureRegistry(registry.host), toml });
    const [first, second] = [await start(), await start()];

    async function pull(url: string): Promise<void> {
      const at = (path: string) => `${url}/v2/team/app/${path}?ns=${registry.host}`;
      assert.equal((await get(at('manifests/v1'))).status, 200);
      for (const blob of image.blobs) {
        const answer = await get(at(`blobs/${blob.digest}`));
        assert.equal(answer.status, 200, answer.body.toString());
        assert.ok(answer.body.equals(blob.bytes()));
      }
    }

    await pull(first.url);
    const keys = [image.digest, ...image.blobs.map(({ digest }) => digest)].map(
      (digest) => `site/a/${contentKey(digest)}`,
    );
    await eventually('all is in the bucket', () => keys.every((one) => fake.objects.has(one)));
    assert.equal(fake.seen.filter(({ query }) => query.has('partNumber')).length, 3);
    const [layer] = image.layers;
    assert.ok(layer);
    assert.ok(fake.objects.get(`site/a/${contentKey(layer.digest)}`)?.bytes.equals(layer.bytes()));

    await pull(second.url);
    assert.equal(
      registry.count({ method: 'GET', digest: layer.digest }),
      1,
      'the layer crossed the line once',
    );
    assert.ok(
      fake.seen.some(({ method, path }) => method === 'GET' && path.endsWith(contentKey(layer.digest))),
    );
    for (const secret of [key.accessKey, key.secretKey]) {
      assert.ok(![...first.log, ...second.log].some((line) => JSON.stringify(line).includes(secret)));
    }
  });
});
