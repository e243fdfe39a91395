/** Pushes to a program that is killed (SIGKILL) in the middle of them, again and again. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { get } from '../support/http-client.ts';
import { startProgramIn } from '../support/program-in-folder.ts';
import { imageManifest, pusher, sha256 } from '../support/pusher.ts';
import { tempFolder } from '../support/temp-folder.ts';

const kills = process.env.LONG ? 60 : 6;

const toml = `
listen = "127.0.0.1:0"
[access]
anonymous = ["pull", "push"]
[[push]]
match = "images.local/**"
mode = "local"
`;

describe('a program that takes pushes and is killed again and again', () => {
  it('has every push that it acknowledged, and shows nothing by half', async (t) => {
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'entrepot.toml'), toml);
    writeFileSync(join(folder, 'registries.conf'), '[[registry]]\nlocation = "listed.test"\n');
    /** Tags that were answered with 201, and what they point to. */
    const acknowledged = new Map<string, { digest: string; blobs: readonly Buffer[] }>();
    let count = 0;

    async function pushUntilKilled(url: string): Promise<void> {
      const to = pusher(url, 'images.local/team/app');
      for (;;) {
        count += 1;
        const tag = `t${count}`;
        const blobs = [randomBytes(100), randomBytes(200_000), randomBytes(50_000)];
        const json = imageManifest(blobs);
        for (const blob of blobs) await to.blob(blob);
        const { status } = await to.manifest(tag, json);
        if (status === 201) acknowledged.set(tag, { digest: sha256(JSON.stringify(json)), blobs });
      }
    }

    async function check(url: string): Promise<void> {
      const base = `${url}/v2/images.local/team/app`;
      for (const [tag, { digest, blobs }] of acknowledged) {
        const manifest = await get(`${base}/manifests/${tag}`);
        assert.deepEqual([manifest.status, manifest.headers['docker-content-digest']], [200, digest], tag);
        for (const blob of blobs) {
          const { status, body } = await get(`${base}/blobs/${sha256(blob)}`);
          assert.ok(status === 200 && body.equals(blob), `a blob of ${tag}`);
        }
      }
      // A tag that was not acknowledged may be there, but only with all that its manifest lists.
      const listed = await get(`${base}/tags/list`);
      const { tags = [] } = JSON.parse(listed.body.toString()) as { tags?: string[] };
      for (const tag of tags.filter((one) => !acknowledged.has(one))) {
        const { body } = await get(`${base}/manifests/${tag}`);
        const { config, layers } = JSON.parse(body.toString()) as ReturnType<typeof imageManifest>;
        for (const { digest } of [config, ...layers]) {
          const blob = await get(`${base}/blobs/${digest}`);
          assert.deepEqual([blob.status, sha256(blob.body)], [200, digest], tag);
        }
      }
    }

    for (let kill = 0; kill < kills; kill += 1) {
      const program = await startProgramIn(t, folder);
      await check(program.url);
      const pushing = pushUntilKilled(program.url).catch(() => 'killed');
      const before = acknowledged.size;
      // After some pushes, at another moment of one each time.
      while (acknowledged.size < before + 2) await new Promise(setImmediate);
      for (let turn = 0; turn < kill * 7; turn += 1) await new Promise(setImmediate);
      program.kill('SIGKILL');
      await program.exited;
      assert.equal(await pushing, 'killed');
    }
    const program = await startProgramIn(t, folder);
    await check(program.url);
    assert.ok(acknowledged.size >= 2 * kills);
    assert.equal((await program.stop()).code, 0);
  });
});
