/** A program with two buckets over real connections: killed before its uploads, with one bucket that dies, and with a folder that is lost. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Digest } from '../../src/oci/digest.ts';
import { contentKey } from '../../src/stores/content-key.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeS3, startFakeS3 } from '../support/fake-s3.ts';
import { get } from '../support/http-client.ts';
import { startProgramIn } from '../support/program-in-folder.ts';
import { imageManifest, pusher, sha256 } from '../support/pusher.ts';
import { storedFile } from '../support/stored-files.ts';
import { tempFolder } from '../support/temp-folder.ts';

const block = (folder: string, name: string, { endpoint, bucket, region }: FakeS3) => `
[[store]]
name = "${name}"
kind = "s3"
endpoint = "${endpoint}"
bucket = "${bucket}"
region = "${region}"
access_key_file = "${join(folder, 'access')}"
secret_key_file = "${join(folder, 'secret')}"
`;

const pushes = (durable: number) => `
listen = "127.0.0.1:0"
[access]
anonymous = ["pull", "push"]
[[push]]
match = "images.local/**"
mode = "local"
durable = ${durable}
`;

async function twoBuckets(t: TestContext, durable: number) {
  const [eu, us] = [await startFakeS3(), await startFakeS3()];
  for (const one of [eu, us]) t.after(() => one.close());
  const folder = tempFolder(t);
  const [key] = eu.keys;
  us.keys.splice(0, us.keys.length, ...eu.keys);
  writeFileSync(join(folder, 'access'), key?.accessKey ?? '');
  writeFileSync(join(folder, 'secret'), key?.secretKey ?? '');
  writeFileSync(
    join(folder, 'entrepot.toml'),
    `${pushes(durable)}${block(folder, 'eu', eu)}${block(folder, 'us', us)}`,
  );
  writeFileSync(join(folder, 'registries.conf'), '[[registry]]\nlocation = "listed.test"\n');
  return { eu, us, folder };
}

async function pushImage(url: string) {
  const blobs = [randomBytes(100), randomBytes(300_000)];
  const client = pusher(url, 'images.local/team/app');
  for (const blob of blobs) await client.blob(blob);
  const json = imageManifest(blobs);
  assert.equal((await client.manifest('1', json)).status, 201);
  const manifest = Buffer.from(JSON.stringify(json));
  return [...blobs, manifest].map((bytes) => ({ bytes, digest: sha256(bytes) as Digest }));
}

const objectOf = ({ objects }: FakeS3, digest: Digest) => objects.get(contentKey(digest))?.bytes;

describe('a program with two buckets', () => {
  it('that is killed before its uploads goes on with them when it runs again', async (t) => {
    const { eu, us, folder } = await twoBuckets(t, 0);
    for (const one of [eu, us]) one.mischief = ({ method }) => (method === 'PUT' ? 'hang' : undefined);
    const first = await startProgramIn(t, folder);
    const contents = await pushImage(first.url);
    await eventually('an upload is under way', () => eu.seen.some(({ method }) => method === 'PUT'));
    first.kill('SIGKILL');
    await first.exited;
    assert.equal(eu.objects.size + us.objects.size, 0);
    for (const one of [eu, us]) one.mischief = () => undefined;
    await startProgramIn(t, folder);
    for (const one of [eu, us])
      await eventually('all of it is in the bucket', () =>
        contents.every(({ digest, bytes }) => objectOf(one, digest)?.equals(bytes)),
      );
  });

  it('goes on when one of them dies, and gives back from the other what its disk has lost', async (t) => {
    const { eu, us, folder } = await twoBuckets(t, 1);
    eu.mischief = () => ({ status: 503, headers: {}, body: Buffer.from('') });
    const program = await startProgramIn(t, folder);
    const contents = await pushImage(program.url);
    assert.ok(contents.every(({ digest, bytes }) => objectOf(us, digest)?.equals(bytes)));
    for (const { digest } of contents.slice(0, 2)) rmSync(storedFile(join(folder, 'data'), digest));
    for (const { digest, bytes } of contents.slice(0, 2)) {
      const answer = await get(`${program.url}/v2/images.local/team/app/blobs/${digest}`);
      assert.equal(answer.status, 200, answer.body.toString());
      assert.ok(answer.body.equals(bytes));
    }
  });
});
